import type { RecordMessage } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';

import type { TelemetryWriter } from '../src/telemetry-writer.ts';
import { crashing } from './crashing-stores.ts';
import { DAY_MS, expectedRows, query, storedRows, until, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();

describe('the telemetry writer, when rows are refused or gone', () => {
  const suite = writerSuite();

  describe('and a record that ClickHouse cannot read', () => {
    const poison = (text: string): RecordMessage => ({
      kind: 'telemetry',
      points: [{ tsMs: NOW_MS, values: new Map([['s', text]]) }],
    });

    async function expectOneDeadLetter(writer: TelemetryWriter): Promise<void> {
      await untilStored(writer, suite.log);
      const good = expectedRows(suite.log).filter((row) => !row.includes('\ud800'));
      expect(await storedRows(suite.clickhouse)).toEqual(good);
      const letters = await query<{ payload: string }>(
        suite.clickhouse,
        `SELECT partition, log_offset, tenant, device_id, code, base64Decode(payload_base64) AS payload
         FROM breakwater.dead_letters`,
      );
      expect(letters).toMatchObject([
        { partition: 2, log_offset: 0, tenant: 'default', device_id: 'device-2', code: 'INSERT_REFUSED' },
      ]);
      expect(letters[0]?.payload).toContain('\\ud800');
      const [ledger] = await query<{ stored: number; dead: number }>(
        suite.clickhouse,
        `SELECT arraySum(stored) AS stored, arraySum(dead) AS dead FROM breakwater.ingest_plans
         WHERE state = 'closed' ORDER BY number DESC LIMIT 1`,
      );
      expect(ledger).toEqual({ stored: suite.log.records - 1, dead: 1 });
      await suite.expectTenantsCounted();
    }

    it(
      'becomes a dead letter, and those around it are stored',
      async () => {
        // A plan before it, so that the one with the dead letter says what is its own and no totals.
        await suite.log.append(1, [{ kind: 'event', name: 'door', tsMs: NOW_MS, data: null }]);
        const { writer } = suite.start(suite.clickhouse);
        await untilStored(writer, suite.log);
        await suite.log.append(2, [poison('a\ud800')]);
        await suite.log.appendMany(40, () => NOW_MS);
        await expectOneDeadLetter(writer);
        await suite.log.appendMany(40, () => NOW_MS);
        await expectOneDeadLetter(writer);
      },
      TIMEOUT_MS,
    );

    it(
      'does so once when the writer ends in between, and when replies are cut',
      async () => {
        await suite.log.append(2, [poison('a\ud800')]);
        await suite.log.appendMany(40, () => NOW_MS);
        const first = suite.start(suite.clickhouse, { stores: crashing('beforeClose', 1) });
        expect((await first.ended)?.code).toBe('TEST_CRASH');
        let replies = 0;
        suite.proxy.onInsertReply = () => ((replies += 1) <= 2 ? 'cut' : 'pass');
        const { writer } = suite.start(suite.throughProxy);
        await expectOneDeadLetter(writer);
        // The plans behind the settled one go on from the counts that it was closed with.
        await suite.log.appendMany(40, () => NOW_MS);
        await expectOneDeadLetter(writer);
      },
      TIMEOUT_MS,
    );

    it(
      'is not suspected when ClickHouse refuses for another reason: that is named until it is repaired',
      async () => {
        await suite.log.appendMany(20, () => NOW_MS);
        const first = suite.start(suite.clickhouse);
        await untilStored(first.writer, suite.log);
        await suite.clickhouse.client.command({ query: 'RENAME TABLE breakwater.telemetry TO breakwater.hidden' });
        await suite.clickhouse.client.command({
          query: 'CREATE TABLE breakwater.telemetry (tenant UInt8) ENGINE = MergeTree ORDER BY tenant',
        });
        await suite.log.appendMany(20, () => NOW_MS);
        await until(
          () => `it says INSERT_REFUSED and the plan: ${JSON.stringify(first.writer.health())}`,
          () => /^INSERT_REFUSED \(plan \d+\)/.test(first.writer.health().degraded[0]?.detail ?? ''),
        );
        await suite.clickhouse.client.command({ query: 'DROP TABLE breakwater.telemetry' });
        await suite.clickhouse.client.command({ query: 'RENAME TABLE breakwater.hidden TO breakwater.telemetry' });
        await untilStored(first.writer, suite.log);
        expect(first.writer.health().degraded).toEqual([]);
        expect(await storedRows(suite.clickhouse)).toEqual(expectedRows(suite.log));
      },
      TIMEOUT_MS,
    );
  });

  describe('and the rows of closed plans are looked at again when it starts', () => {
    async function storeSome(): Promise<void> {
      await suite.log.append(1, [{ kind: 'event', name: 'door', tsMs: NOW_MS, data: null }]);
      await suite.log.appendMany(120, (index) => NOW_MS - index * DAY_MS * 0.01);
      const { writer } = suite.start(suite.clickhouse, { limits: { recordsMax: 40, bytesMax: 1e6, daysMax: 9 } });
      await untilStored(writer, suite.log);
      await writer.stop();
    }

    it(
      'a part that a table lost is brought back from the suite.log, and rollups stay as they were',
      async () => {
        await storeSome();
        await suite.clickhouse.client.command({ query: 'ALTER TABLE breakwater.telemetry DROP PARTITION ALL' });
        const { writer } = suite.start(suite.clickhouse);
        await untilStored(writer, suite.log);
        await suite.expectExact();
        expect(writer.health()).toEqual({ serving: true, degraded: [] });
      },
      TIMEOUT_MS,
    );

    it(
      'what cannot be brought back, and what is there twice, is named',
      async () => {
        await storeSome();
        await suite.clickhouse.client.command({
          query: 'ALTER TABLE breakwater.telemetry DELETE WHERE log_offset = 3 SETTINGS mutations_sync = 2',
        });
        await suite.clickhouse.client.command({
          query: 'INSERT INTO breakwater.telemetry SELECT * FROM breakwater.telemetry WHERE log_offset = 5',
        });
        const { writer } = suite.start(suite.clickhouse);
        await untilStored(writer, suite.log);
        expect(writer.health().degraded).toMatchObject([
          {
            part: 'stored telemetry',
            detail: expect.stringMatching(/^ROWS_MISMATCH.* 4 records without rows, 16 rows/),
          },
        ]);
      },
      TIMEOUT_MS,
    );
  });
});

import type { Offset, Partition } from '@breakwater/twin';
import { type EventLog, PlatformError } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import type { TelemetryWriter } from '../src/telemetry-writer.ts';
import { storedRows, until, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();
const P1 = 1 as Partition;
/** As docs/operations/kafka.md has it: partition 1 goes on at 15, and what lies before is given up. */
const ACCEPT_THE_GAP = `
  INSERT INTO breakwater.ingest_plans
  SELECT * REPLACE (number + 1 AS number, before AS from_offsets, [] AS days, [] AS day_lines, 0 AS records,
    arrayMap((p, o) -> if(p = 1, 15, o), partitions, before) AS to_offsets,
    '[]' AS tenants, '' AS tenant_totals, '{}' AS kept_dead_letters)
  EXCEPT (before)
  FROM (SELECT *, to_offsets AS before FROM breakwater.ingest_plans
    WHERE scope = 'telemetry' AND state = 'closed' ORDER BY number DESC LIMIT 1)`;

describe('the telemetry writer, when one partition cannot be read', () => {
  const suite = writerSuite();

  async function untilHalted(writer: TelemetryWriter, code: string): Promise<void> {
    await until(
      () => `partition 1 is named with ${code}; ${JSON.stringify(writer.health())}`,
      () => writer.health().degraded.some(({ part, detail }) => part === 'partition 1' && detail.startsWith(code)),
    );
    expect(writer.haltedCount).toBe(1);
  }

  async function untilOthersStored(writer: TelemetryWriter): Promise<void> {
    for (const partition of [0, 2, 3]) {
      await until(
        () => `partition ${partition} is stored; ${JSON.stringify(writer.health())}`,
        async () => writer.positions().positions.get(partition as Partition) === (await suite.log.end(partition)),
      );
    }
  }

  it(
    'stores what lies before a batch that is not ours, stops there, and goes on with the others',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const { writer, ended } = suite.start(suite.clickhouse, { log: unreadableFrom(suite.log.log, 7) });
      await untilHalted(writer, 'LOG_BATCH_UNREADABLE');
      await suite.log.appendMany(8, () => NOW_MS);
      await untilOthersStored(writer);
      await until(
        () => 'what lies before the batch is stored',
        () => writer.positions().positions.get(P1) === 7,
      );
      await writer.stop();
      expect(await ended).toBeNull();
      expect(writer.health().serving).toBe(true);
      // Mended, it goes on at the same place.
      const second = suite.start(suite.clickhouse);
      await untilStored(second.writer, suite.log);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'stops where the log has forgotten what is not stored, until somebody accepts the gap',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const first = suite.start(suite.clickhouse);
      await untilStored(first.writer, suite.log);
      await first.writer.stop();
      await suite.log.appendMany(40, () => NOW_MS);
      await suite.log.log.trim('telemetry', P1, 15 as Offset);
      const second = suite.start(suite.clickhouse);
      await untilHalted(second.writer, 'POSITION_OUT_OF_RANGE');
      await untilOthersStored(second.writer);
      await second.writer.stop();
      expect(await second.ended).toBeNull();

      await suite.clickhouse.client.command({ query: ACCEPT_THE_GAP });
      const third = suite.start(suite.clickhouse);
      await untilStored(third.writer, suite.log);
      expect(third.writer.health().degraded).toEqual([]);
      expect(await storedRows(suite.clickhouse, 'partition = 1 AND log_offset >= 10 AND log_offset < 15')).toEqual([]);
      expect(await storedRows(suite.clickhouse, 'partition = 1 AND log_offset >= 15')).not.toEqual([]);
      await third.writer.stop();
      // The audit of the next start meets the plan that was made by hand.
      const fourth = suite.start(suite.clickhouse);
      await suite.log.appendMany(4, () => NOW_MS);
      await untilStored(fourth.writer, suite.log);
      expect(fourth.writer.health().degraded).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

/** As the log on Kafka is where somebody else has written into it. */
function unreadableFrom(log: EventLog, offset: number): EventLog {
  const read: EventLog['read'] = async (requests, limits) => {
    const batches = await log.read(requests, limits);
    return batches.flatMap((batch) => {
      if (batch.partition !== P1) return batch;
      const frames = batch.frames.filter(({ lastOffset }) => lastOffset < offset);
      if (frames.length > 0) return { ...batch, frames };
      throw new PlatformError('LOG_BATCH_UNREADABLE', 'lane telemetry, partition 1: it is not ours', {
        details: { lane: 'telemetry', partition: P1, from: offset },
      });
    });
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

import type { LogId, Partition } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { crashing } from './crashing-stores.ts';
import { expectedRows, LogUnderTest, rollupDifferences, storedRows, until, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();

describe('the telemetry writer knows one log from another', () => {
  const suite = writerSuite();

  it(
    'when the log is another one: positions and tokens of the old one mean nothing',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      const first = suite.start(suite.clickhouse, { stores: crashing('afterFirstInsert', 1) });
      expect((await first.ended)?.code).toBe('TEST_CRASH');
      const oldRows = expectedRows(suite.log);
      suite.log = new LogUnderTest(4, 'log-2');
      await suite.log.appendMany(60, () => NOW_MS);
      const { writer } = suite.start(suite.clickhouse);
      await untilStored(writer, suite.log);
      expect(await storedRows(suite.clickhouse)).toHaveLength(oldRows.length + expectedRows(suite.log).length);
      const ofNewLog = await storedRows(suite.clickhouse, "log_id = 'log-2'");
      expect(ofNewLog).toEqual(expectedRows(suite.log));
      expect(await rollupDifferences(suite.clickhouse)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it.each([
    ['after its last plan was closed', false],
    ['after it was killed with a plan open', true],
  ])(
    'when the log was restored from a backup %s',
    async (_when, isKilled) => {
      await suite.log.appendMany(40, () => NOW_MS);
      if (isKilled) {
        const first = suite.start(suite.clickhouse, { stores: crashing('afterFirstInsert', 1) });
        expect((await first.ended)?.code).toBe('TEST_CRASH');
      } else {
        const { writer } = suite.start(suite.clickhouse);
        await untilStored(writer, suite.log);
        await writer.stop();
      }
      const ofOldLog = expectedRows(suite.log);
      const restored = new LogUnderTest(4, 'log-2');
      await restored.copyFrom(suite.log);
      suite.log = restored;
      await suite.log.appendMany(20, () => NOW_MS);
      const logOrigins = async () => [{ logId: 'log-1' as LogId, ends: [10, 10, 10, 10] }];
      const { writer } = suite.start(suite.clickhouse, { logOrigins });
      await untilStored(writer, suite.log);
      expect(await storedRows(suite.clickhouse, "log_id = 'log-1'")).toEqual(ofOldLog);
      expect(await storedRows(suite.clickhouse, "log_id = 'log-2'")).toEqual(expectedRows(suite.log));
      expect(await rollupDifferences(suite.clickhouse)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'before a record of an unknown version: that partition stops, the others go on',
    async () => {
      await suite.log.appendMany(40, () => NOW_MS);
      await suite.log.log.append([
        {
          lane: 'telemetry',
          partition: 1 as Partition,
          producerId: 'newer',
          seq: 1,
          body: '{"v":2,"k":"telemetry"}',
          recordCount: 1,
        },
      ]);
      await suite.log.appendMany(3, () => NOW_MS);
      const { writer } = suite.start(suite.clickhouse);
      await until(
        () => `partition 1 is named; ${JSON.stringify(writer.health())}`,
        () => writer.health().degraded.some(({ part }) => part === 'partition 1'),
      );
      await suite.log.append(2, [{ kind: 'event', name: 'late', tsMs: NOW_MS, data: null }]);
      await until(
        () => 'partition 2 is stored',
        async () => writer.positions().positions.get(2 as Partition) === (await suite.log.end(2)),
      );
      expect(writer.positions().positions.get(1 as Partition)).toBe(10);
    },
    TIMEOUT_MS,
  );
});

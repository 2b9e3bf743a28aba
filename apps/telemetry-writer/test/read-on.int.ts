import type { EventLog } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import type { WriterStores } from '../src/telemetry-writer.ts';
import { delegating } from './crashing-stores.ts';
import { until, untilStored } from './writer-bench.ts';
import { TIMEOUT_MS, writerSuite } from './writer-suite.ts';

const NOW_MS = Date.now();
/** A round is a tenth of what waits. */
const SMALL = { recordsMax: 40, bytesMax: 1e6, daysMax: 9 };
const WAITING = 400;

/** A log that calls before each reading, with how many records were read so far. */
function watched(log: EventLog, reading: (records: number) => void): EventLog {
  let records = 0;
  const read: EventLog['read'] = async (requests, limits) => {
    reading(records);
    const batches = await log.read(requests, limits);
    const frames = batches.flatMap((batch) => batch.frames);
    records += frames.reduce((sum, { firstOffset, lastOffset }) => sum + lastOffset + 1 - firstOffset, 0);
    return batches;
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Calls before each insert, which waits for it. */
function beforeEachInsert(real: WriterStores, call: () => Promise<void> | void): WriterStores {
  const stores = delegating(real);
  return {
    ...stores,
    records: {
      ...stores.records,
      insertDay: async (plan, day, lines) => {
        await call();
        await stores.records.insertDay(plan, day, lines);
      },
    },
  };
}

describe('the telemetry writer, when it is behind', () => {
  const suite = writerSuite();
  const options = { limits: SMALL, framesMaxPerRead: 1, roundIntervalMs: 1 };

  it(
    'reads the next round while one is stored',
    async () => {
      let read = 0;
      let isReadMeanwhile: boolean | null = null;
      await suite.log.appendMany(WAITING, () => NOW_MS);
      const { writer } = suite.start(suite.clickhouse, {
        ...options,
        log: watched(suite.log.log, (records) => (read = records)),
        stores: (real) =>
          beforeEachInsert(real, async () => {
            if (isReadMeanwhile !== null) return;
            isReadMeanwhile = false;
            await until(
              () => 'more than a round is read before the first one is stored',
              () => read > SMALL.recordsMax,
            );
            isReadMeanwhile = true;
          }),
      });
      await untilStored(writer, suite.log);
      expect(isReadMeanwhile).toBe(true);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'stores each record once, though it cannot read while a round is stored',
    async () => {
      let inserts = 0;
      let refused = 0;
      await suite.log.appendMany(WAITING, () => NOW_MS);
      const { writer, ended } = suite.start(suite.clickhouse, {
        ...options,
        log: watched(suite.log.log, (records) => {
          if (records < SMALL.recordsMax || inserts > 0) return;
          refused += 1;
          throw new Error('the log is away');
        }),
        stores: (real) => beforeEachInsert(real, () => void (inserts += 1)),
      });
      await untilStored(writer, suite.log);
      expect(refused).toBe(1);
      await suite.expectExact();
      await writer.stop();
      expect(await ended).toBeNull();
    },
    TIMEOUT_MS,
  );
});

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

/** A log that counts how often it is read, and may fail. */
function watched(log: EventLog, reading: () => void): EventLog {
  const read: EventLog['read'] = async (requests, limits) => {
    reading();
    return log.read(requests, limits);
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Tells when an insert begins, and lets it go on when it is told. */
function beforeEachInsert(real: WriterStores, wait: () => Promise<void>): WriterStores {
  const stores = delegating(real);
  return {
    ...stores,
    records: {
      ...stores.records,
      insertDay: async (plan, day, lines) => {
        await wait();
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
      let reads = 0;
      let inserts = 0;
      await suite.log.appendMany(WAITING, () => NOW_MS);
      const { writer } = suite.start(suite.clickhouse, {
        ...options,
        log: watched(suite.log.log, () => (reads += 1)),
        stores: (real) =>
          beforeEachInsert(real, async () => {
            inserts += 1;
            const before = reads;
            if (inserts === 1)
              await until(
                () => 'the log is read while an insert waits',
                () => reads > before,
              );
          }),
      });
      await untilStored(writer, suite.log);
      expect(inserts).toBeGreaterThan(1);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );

  it(
    'stores each record once, though it cannot read while a round is stored',
    async () => {
      let isStoring = false;
      let refused = 0;
      await suite.log.appendMany(WAITING, () => NOW_MS);
      const { writer } = suite.start(suite.clickhouse, {
        ...options,
        log: watched(suite.log.log, () => {
          if (!isStoring) return;
          refused += 1;
          throw new Error('the log is away');
        }),
        stores: (real) =>
          beforeEachInsert(real, async () => {
            isStoring = true;
            const before = refused;
            const endMs = Date.now() + 50;
            while (refused === before && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 1));
            isStoring = false;
          }),
      });
      await untilStored(writer, suite.log);
      expect(refused).toBeGreaterThan(0);
      await suite.expectExact();
    },
    TIMEOUT_MS,
  );
});

import { ClickHouseWriterLedger, migrateClickHouse, type ClickHouse } from '@breakwater/adapter-clickhouse';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { checkInstallation, openEventLog } from '@breakwater/adapter-redis';
import {
  connectServer,
  redisServerAvailable,
  startRedisServer,
  type RedisServerForTest,
} from '@breakwater/adapter-redis/testing';
import { eventLogSettings, readSettings } from '@breakwater/config';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  expectedRows,
  LogUnderTest,
  openClickHouse,
  query,
  rollupDifferences,
  storedRows,
  until,
} from './writer-bench.ts';
import { WriterProcess } from './writer-process.ts';

const TIMEOUT_MS = 180_000;
const PARTITIONS = 4;
const RANGES = 2;
const NOW_MS = Date.now();
const LEASE_TTL_MS = 1_000;
const ROUND_MS = 20;
const APPEND_PAUSE_MS = 10;

(redisServerAvailable() ? describe : describe.skip)('telemetry-writers in processes of their own', () => {
  let server: RedisServerForTest;
  let redis: Awaited<ReturnType<typeof connectServer>>;
  let embedded: EmbeddedProcess;
  let clickhouse: ClickHouse;
  let log: LogUnderTest;
  let closeLog: () => void;
  const running: WriterProcess[] = [];

  beforeAll(async () => {
    [server, embedded] = await Promise.all([startRedisServer(), EmbeddedProcess.start()]);
    redis = await connectServer(server.url);
    await checkInstallation(redis, { partitionCount: PARTITIONS });
    clickhouse = openClickHouse(embedded.url);
    await migrateClickHouse(clickhouse);
    const redisLog = openEventLog(redis, readSettings(eventLogSettings, {}));
    closeLog = () => redisLog.close();
    log = new LogUnderTest(PARTITIONS, redisLog);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await Promise.all(running.map((writer) => writer.end('SIGKILL')));
    closeLog();
    redis.disconnect();
    await clickhouse.client.close();
    await Promise.all([server.stop(), embedded.remove()]);
  }, TIMEOUT_MS);

  function start(name: string, ranges = RANGES): WriterProcess {
    const writer = new WriterProcess(name, {
      REDIS_URL: server.url,
      CLICKHOUSE_URL: embedded.url,
      PARTITIONS: String(PARTITIONS),
      WRITER_RANGES: String(ranges),
      WRITER_LEASE_TTL_MS: String(LEASE_TTL_MS),
      WRITER_ROUND_INTERVAL_MS: String(ROUND_MS),
      WRITER_ROUND_INTERVAL_MAX_MS: String(ROUND_MS),
    });
    running.push(writer);
    return writer;
  }

  /** How many ranges each has, by the newest epochs: those are who may insert. */
  async function ownedRanges(): Promise<Readonly<Record<string, number>>> {
    const rows = await query<{ owner: string }>(
      clickhouse,
      `SELECT argMax(owner, epoch) AS owner FROM breakwater.writer_epochs
       WHERE scope LIKE '%-of-${RANGES}' GROUP BY scope`,
    );
    const owned: Record<string, number> = {};
    for (const { owner } of rows) owned[owner] = (owned[owner] ?? 0) + 1;
    return owned;
  }

  async function untilOwned(wanted: Readonly<Record<string, number>>): Promise<void> {
    let owned = {};
    await until(
      () => `${JSON.stringify(wanted)} own the ranges; it is ${JSON.stringify(owned)}`,
      async () => {
        owned = await ownedRanges();
        return Object.entries(wanted).every(([name, count]) => owned[name as keyof typeof owned] === count);
      },
    );
  }

  async function untilStoredAndCounted(): Promise<void> {
    const ledger = new ClickHouseWriterLedger(clickhouse);
    await until(
      () => 'all is stored',
      async () => {
        const entries = await ledger.readWriterLedger();
        const ends = await Promise.all(entries.map(({ partition }) => log.end(partition)));
        return entries.length === PARTITIONS && entries.every(({ position }, at) => position === ends[at]);
      },
    );
  }

  async function expectExact(): Promise<void> {
    expect(await storedRows(clickhouse)).toEqual(expectedRows(log));
    expect(await rollupDifferences(clickhouse)).toEqual([]);
  }

  async function underLoad(steps: () => Promise<void>): Promise<void> {
    let isOn = true;
    const load = (async () => {
      while (isOn) {
        await log.appendMany(PARTITIONS, (index) => NOW_MS - index);
        await new Promise((resolve) => setTimeout(resolve, APPEND_PAUSE_MS));
      }
    })();
    await steps().finally(() => (isOn = false));
    await load;
  }

  it(
    'share the ranges, take those of one that was killed or stopped, and store each record once',
    async () => {
      const first = start('first');
      await underLoad(async () => {
        await untilOwned({ first: RANGES });
        const killed = start('killed');
        await untilOwned({ first: 1, killed: 1 });
        await killed.end('SIGKILL');
        await untilOwned({ first: RANGES });

        const stopped = start('stopped');
        await untilOwned({ first: 1, stopped: 1 });
        stopped.signal('SIGSTOP');
        await untilOwned({ first: RANGES });
        stopped.signal('SIGCONT');
        // It is refused, or sees first that its leases are another's: it ends, and its supervisor starts it anew.
        expect(await stopped.ended).toBe(1);

        const second = start('second');
        await untilOwned({ first: 1, second: 1 });
        await second.end('SIGTERM');
        await untilOwned({ first: RANGES });
      });
      await untilStoredAndCounted();
      await expectExact();
      await first.end('SIGTERM');
    },
    TIMEOUT_MS,
  );

  it(
    'under another WRITER_RANGES wait until the others have gone, and go on where those stopped',
    async () => {
      const divided = start('divided');
      await underLoad(async () => {
        await untilOwned({ divided: RANGES });
        const whole = start('whole', 1);
        // Long enough to have taken it, if it did not wait.
        await new Promise((resolve) => setTimeout(resolve, 4 * LEASE_TTL_MS));
        expect(await ownedRanges()).toEqual({ divided: RANGES });
        await divided.end('SIGTERM');
        await until(
          () => 'the whole lane is taken',
          async () => {
            const [row] = await query<{ owner: string }>(
              clickhouse,
              "SELECT argMax(owner, epoch) AS owner FROM breakwater.writer_epochs WHERE scope = 'telemetry'",
            );
            return row?.owner === whole.name;
          },
        );
      });
      await untilStoredAndCounted();
      await expectExact();
    },
    TIMEOUT_MS,
  );
});

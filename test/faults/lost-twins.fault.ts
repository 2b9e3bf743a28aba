import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ClickHouseSnapshotArchive, connectClickHouse } from '@breakwater/adapter-clickhouse';
import { KafkaEventLog } from '@breakwater/adapter-kafka';
import { kafkaAvailable } from '@breakwater/adapter-kafka/testing';
import { type Installation, PlatformClient } from '@breakwater/bench';
import { expect, it, describe } from '@jest/globals';
import type { DeviceKey, Offset, Partition } from '@breakwater/twin';
import { LANES } from '@breakwater/twin-runtime';
import { partitionOf } from '@breakwater/wire';
import { Redis } from 'ioredis';

import { breakwater, type Ended } from '../src/breakwater-command.ts';
import { openLoad } from '../src/open-load.ts';
import { CONDITION_TIMEOUT_MS, expectExactlyOnce, patchTwin, TEST_TIMEOUT_MS, until } from '../src/platform-steps.ts';
import { stopPart } from '../src/stop-part.ts';
import { suiteInstallation } from '../src/suite-installation.ts';

const DEVICES = 40;
const EVENTS_PER_SECOND = 200;
const LOAD_SECONDS = 5;
const PARTITIONS = 4;
/** Everything but the log of these partitions that one commit of a shard writes. */
const LOST = ['shard', 'twins', 'twins:documents', 'outbox', 'outbox:order', 'timers', 'timers:generations'];
const ROUND = ['twins:changed', 'twins:in-round', 'twins:round'];
const PARTITION_NUMBERS = Array.from({ length: PARTITIONS }, (_, partition) => partition as Partition);
const IS_SOON = {
  PARTITIONS: String(PARTITIONS),
  SNAPSHOT_INTERVAL_SECONDS: '1',
  WRITER_TRIM_KEEP_RECORDS: '0',
  GATEWAY_RESEND_TAIL_RECORDS: '0',
  WRITER_TRIM_INTERVAL_MS: '200',
};

/** How each engine comes to have forgotten the beginning of the log, and no more than snapshots have. */
const LOGS = [
  { name: 'in Redis', engine: 'redis', isThere: true, forgets: forgetsInRedis },
  {
    ...{ name: 'on Kafka (needs Java and the jars of Kafka)', engine: 'kafka' },
    ...{ isThere: kafkaAvailable(), forgets: forgetsOnKafka },
  },
] as const;

for (const log of LOGS) {
  (log.isThere ? describe : describe.skip)(`an installation whose twin store is lost, with the log ${log.name}`, () => {
    let installation: Installation;
    let redis: Redis;
    let devices: readonly string[] = [];

    suiteInstallation(
      (started, opened) => {
        installation = started;
        redis = opened.adopt(new Redis(`${installation.dataDir}/redis/redis.sock`), (each) => each.disconnect());
      },
      { env: { ...IS_SOON, EVENT_LOG: log.engine } },
    );

    it(
      'waits for `breakwater rebuild`, and has every twin, its history and its ledger afterwards',
      async () => {
        const client = new PlatformClient(installation);
        const logins = await client.registerDevices('lost', DEVICES);
        devices = logins.map(({ id }) => id);
        const generator = await openLoad(installation, logins);
        await generator.run([{ eventsPerSecond: EVENTS_PER_SECOND, seconds: LOAD_SECONDS }]);
        expect(await generator.settle(CONDITION_TIMEOUT_MS)).toBe(0);
        for (const { id } of logins) await patchTwin(installation, id, { desired: { round: 1 } });
        await expectExactlyOnce(installation, generator, EVENTS_PER_SECOND * LOAD_SECONDS);
        await log.forgets(installation, redis);
        const before = await twins(logins.map(({ id }) => id));

        await lose(PARTITION_NUMBERS);
        await until('the workers to notice', async () => (await rebuild()).stdout.includes('twins of 4 partitions'));
        await until('the twins to be there', async () => {
          expect(await twins([...before.keys()])).toEqual(before);
          return true;
        });
        for (const { id } of logins) await patchTwin(installation, id, { desired: { round: 2 } });
        const [device] = before.keys();
        await until('the history to have it', async () => {
          const { items } = await request<History>(`/devices/${String(device)}/twin/history`);
          return items[0]?.twin.desired['round'] === 2 && items.some(({ twin }) => twin.desired['round'] === 1);
        });
        await until('the ledger to balance', async () => {
          const { code, stdout } = await command('ledger');
          return code === 0 && stdout.includes('It balances');
        });
      },
      TEST_TIMEOUT_MS,
    );

    interface History {
      readonly items: readonly { readonly twin: { readonly desired: Readonly<Record<string, unknown>> } }[];
    }

    async function workersSay(): Promise<string> {
      const files = ['twin-worker-1.log', 'twin-worker-2.log'].map((name) => join(installation.dataDir, 'logs', name));
      return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('');
    }

    /** Redis has nothing of these partitions any more but its log, if that is there. */
    async function lose(partitions: readonly Partition[]): Promise<void> {
      for (const partition of partitions) {
        await redis.unlink(...[...LOST, ...ROUND].map((name) => `bw:{${partition}}:${name}`));
      }
    }

    async function request<Body>(path: string): Promise<Body> {
      const response = await fetch(`${installation.url}/api/v1${path}`, {
        headers: { authorization: `Bearer ${installation.key}` },
      });
      expect(response.status).toBe(200);
      return (await response.json()) as Body;
    }

    async function twins(devices: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
      const found = new Map<string, unknown>();
      for (const device of devices) found.set(device, await request(`/devices/${device}/twin`));
      return found;
    }

    function rebuild(): Promise<Ended> {
      return command('rebuild');
    }

    function command(...args: readonly string[]): Promise<Ended> {
      const { dataDir, key } = installation;
      return breakwater({ dataDir, key, env: { PARTITIONS: String(PARTITIONS) } }, ...args);
    }

    // The embedded log forgets nothing that no snapshot has; `rebuild.int.ts` takes it away by hand.
    if (log.engine !== 'kafka') return;
    it(
      'says which partition cannot be brought back when retention has overtaken the snapshots, and brings the others',
      async () => {
        const lost = devices.find(
          (device) => partitionOf(`default/${device}` as DeviceKey, PARTITIONS) === 0,
        ) as string;
        // It makes the snapshots, and now makes none of what comes.
        await stopPart(installation, 'telemetry-writer');
        for (const device of devices) await patchTwin(installation, device, { desired: { round: 3 } });
        const before = await twins(
          devices.filter((device) => partitionOf(`default/${device}` as DeviceKey, PARTITIONS) !== 0),
        );
        await onKafka(installation, async (kafka) => {
          await kafka.trim('control', 0 as Partition, (await kafka.bounds('control', 0 as Partition)).end);
        });
        await lose(PARTITION_NUMBERS);
        await until('the workers to notice', async () => (await rebuild()).stdout.includes('REBUILD_IMPOSSIBLE'));
        const { code, stdout } = await rebuild();
        expect(code).toBe(1);
        expect(stdout).toMatch(
          /REBUILD_IMPOSSIBLE: control of partition 0 is needed from \d+ on, and the log has \d+ to/,
        );
        await until('the other twins to be there', async () => {
          expect(await twins([...before.keys()])).toEqual(before);
          return true;
        });
        await until('a worker to say so', async () => (await workersSay()).includes('TWIN_STORE_EMPTY'));
        expect((await patchTwin(installation, lost, { desired: { round: 4 } })).status).not.toBe(200);
      },
      TEST_TIMEOUT_MS,
    );
  });
}

/** The platform trims it by itself. */
async function forgetsInRedis(_installation: Installation, redis: Redis): Promise<void> {
  await until('the log to forget what all have', async () => {
    for (const partition of PARTITION_NUMBERS) {
      if (Number(await redis.hget(`bw:{${partition}}:log:telemetry`, 'first')) === 0) return false;
    }
    return true;
  });
}

/** Retention deletes the older half of each lane, once snapshots have all of it. */
async function forgetsOnKafka(installation: Installation): Promise<void> {
  const port = (await installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
  const url = `http://127.0.0.1:${String(port)}`;
  const clickhouse = connectClickHouse({ url, user: 'default', password: '', database: 'breakwater' });
  const archive = new ClickHouseSnapshotArchive(clickhouse);
  await onKafka(installation, async (kafka) => {
    const logId = await kafka.logId();
    for (const partition of PARTITION_NUMBERS) {
      const bounds = await Promise.all(LANES.map((lane) => kafka.bounds(lane, partition)));
      await until('snapshots to have all', async () => {
        const kept = await archive.find(partition, logId);
        return kept !== null && LANES.every((lane, at) => kept.floor[lane] === bounds[at]?.end);
      });
      for (const [at, lane] of LANES.entries()) {
        const half = Math.ceil((bounds[at]?.end ?? 0) / 2) as Offset;
        await kafka.trim(lane, partition, half);
      }
      expect((await kafka.bounds('telemetry', partition)).first).toBeGreaterThan(0);
    }
  });
  await clickhouse.client.close();
}

/** A log that may delete records, which the platform's own leaves to retention. */
async function onKafka(installation: Installation, work: (kafka: KafkaEventLog) => Promise<void>): Promise<void> {
  const port = (await installation.parts()).get('kafka')?.ports['kafka'];
  const connection = { brokers: [`127.0.0.1:${String(port)}`], clientId: 'lost-twins' };
  const settings = { topicPrefix: 'breakwater', compression: 'none', frameBytesMax: 1, trims: true } as const;
  const kafka = KafkaEventLog.open({ connection, ...settings });
  try {
    await work(kafka);
  } finally {
    await kafka.close();
  }
}

import { RedisEventLog, RedisSessionDirectory } from '@breakwater/adapter-redis';
import {
  appendLines,
  connectServer,
  type PartitionContent,
  recordLine,
  redisServerAvailable,
  type RedisServerForTest,
  RedisWorker,
  startRedisServer,
} from '@breakwater/adapter-redis/testing';
import { freePort } from '@breakwater/free-port';
import {
  type DeviceKey,
  type Epoch,
  type Incarnation,
  type LogId,
  type Partition,
  parseTwin,
  type SessionEpoch,
  type TwinMessage,
} from '@breakwater/twin';
import type { Lane } from '@breakwater/twin-runtime';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { until } from '../src/platform-steps.ts';
import { SwitchingAddress } from '../src/faults/switching-address.ts';

const PARTITIONS = 4;
const DEVICES = 200;
const ROUNDS = 20;
const TIMEOUT_MS = 120_000;
const LANE_BYTES = 64 * 1024 * 1024;
const P0 = 0 as Partition;
const all = Array.from({ length: PARTITIONS }, (_, at) => at as Partition);
const keys = Array.from({ length: DEVICES }, (_, at) => `default/d${at}` as DeviceKey);
const partitionOf = (device: number): Partition => (device % PARTITIONS) as Partition;

/**
 * Replication to a replica is cut, the primary goes on for a while, is killed, and the replica takes over. What the
 * twins have lost by that stands in the log, which is elsewhere.
 */
(redisServerAvailable() ? describe : describe.skip)(
  'a replica of the twin store takes over without the last writes',
  () => {
    let logServer: RedisServerForTest;
    let primary: RedisServerForTest;
    let replica: RedisServerForTest;
    let address: SwitchingAddress;
    let log: RedisEventLog;
    const open: Redis[] = [];
    const workers: RedisWorker[] = [];

    beforeEach(async () => {
      const port = await freePort();
      const listening = ['--port', String(port), '--bind', '127.0.0.1'];
      [logServer, primary, replica] = await Promise.all([
        startRedisServer(),
        startRedisServer({ extra: listening }),
        startRedisServer({ extra: ['--repl-diskless-sync-delay', '0'] }),
      ]);
      address = await SwitchingAddress.start(`${primary.socketPath}.address`, primary.socketPath);
      const replicaOf = await connection(replica.url);
      await replicaOf.replicaof('127.0.0.1', port);
      await until('the replica follows', async () => (await replicaOf.info('replication')).includes('link_status:up'));
      const redis = await connection(logServer.url);
      log = new RedisEventLog({
        ...{ redis, frameBytesMax: LANE_BYTES, laneBytesMax: { control: LANE_BYTES, telemetry: LANE_BYTES } },
      });
    }, TIMEOUT_MS);
    afterEach(async () => {
      await Promise.all(workers.splice(0).map((worker) => worker.stop()));
      for (const redis of open.splice(0)) redis.disconnect();
      log.close();
      await address.stop();
      await Promise.all([logServer.stop(), primary.stop(), replica.stop()]);
    }, TIMEOUT_MS);

    it(
      'and every twin is as its records make it, though nothing new comes, and no version stays behind what was seen',
      async () => {
        const worker = await startWorker('w1');
        await append('control', () => [{ kind: 'deviceCreated' }]);
        await change(0);
        await until('all is applied', () => worker.isDone());
        await cutReplication();
        for (let round = 1; round <= ROUNDS; round += 1) {
          await change(round);
          await until('all is applied', () => worker.isDone());
        }
        const before = await worker.contents();
        const seen = versionsIn(before);
        expect(Math.min(...seen.values())).toBe(ROUNDS + 1);

        expect(await (await connection(replica.url)).hget('bw:{0}:shard', 'control')).not.toBe(
          String((await worker.store.ledger(P0)).positions.control),
        );
        await failOver();
        // Nothing is appended: shards with nothing to do must notice it, too.
        await until('the twins are as they were', async () => await worker.isDone().catch(() => false));
        expect(worker.ends.filter((end) => end === 'storeWentBack' || end === 'commitUnknown').length).toBeGreaterThan(
          0,
        );
        expect(await worker.contents()).toEqual(before);
        for (const partition of all) expect(await worker.uncounted(partition)).toEqual({ control: 0, telemetry: 0 });

        await change(ROUNDS + 1);
        await until('what comes next is applied', () => worker.isDone());
        const versions = versionsIn(await worker.contents());
        for (const [key, version] of versions) expect(version).toBe(seen.get(key)! + 1);
      },
      TIMEOUT_MS,
    );

    it(
      'and no epoch is issued twice: an owner that only the lost primary knew cannot commit, nor one from before it',
      async () => {
        const worker = await startWorker('w1');
        await append('control', () => [{ kind: 'deviceCreated' }]);
        await until('all is applied', () => worker.isDone());
        await worker.stop();
        const { store } = worker;
        const sessions = new RedisSessionDirectory(await connection(address.url));
        const early = await store.takeOwnership(P0, 'early');
        const earlySession = await sessions.open(P0, keys[0]!, 'g1');
        await replicaHas(early.epoch);
        await cutReplication();
        const lost = await Promise.all([1, 2, 3].map((at) => store.takeOwnership(P0, `lost${at}`)));
        const lostSession = await sessions.open(P0, keys[0]!, 'g2');
        expect(lostSession.sessionEpoch).toBeGreaterThan(earlySession.sessionEpoch);

        await failOver();
        await until('the store answers again', () =>
          store.ledger(P0).then(
            () => true,
            () => false,
          ),
        );
        const now = await store.takeOwnership(P0, 'now');
        const issued = [early, ...lost].map(({ epoch }) => epoch);
        expect(numberOf(now.epoch)).toBeGreaterThan(Math.max(...issued.map(numberOf)));
        const { positions } = await store.ledger(P0);
        for (const epoch of issued) {
          const commit = {
            ...{ partition: P0, epoch, logId: (await log.logId()) as LogId, expected: positions, next: positions },
            ...{ twins: [], outbox: [], timers: [], counts: { control: {}, telemetry: {} } },
            tenants: { control: {}, telemetry: {} },
          };
          expect(await store.commit([commit])).toEqual([{ kind: 'refused', code: 'STALE_EPOCH' }]);
        }
        await until('sessions open again', () =>
          sessions.find(P0, [keys[0]!]).then(
            () => true,
            () => false,
          ),
        );
        const nextSession = await sessions.open(P0, keys[0]!, 'g3');
        expect(nextSession.sessionEpoch).toBeGreaterThan(lostSession.sessionEpoch);
      },
      TIMEOUT_MS,
    );

    async function connection(url: string): Promise<Redis> {
      const redis = await connectServer(url);
      redis.on('error', () => undefined);
      open.push(redis);
      return redis;
    }

    async function startWorker(memberId: string): Promise<RedisWorker> {
      const redis = await connection(address.url);
      const worker = new RedisWorker({ log, redis, partitionCount: PARTITIONS, memberId });
      workers.push(worker);
      worker.start();
      return worker;
    }

    /** From here on the primary is alone, and does not know. */
    async function cutReplication(): Promise<void> {
      const [control, follower] = await Promise.all([connection(primary.url), connection(replica.url)]);
      await until('the replica has everything', async () => (await control.wait(1, 1_000)) === 1);
      await follower.replicaof('NO', 'ONE');
    }

    async function failOver(): Promise<void> {
      await primary.kill();
      address.switchTo(replica.socketPath);
    }

    async function replicaHas(epoch: Epoch): Promise<void> {
      const follower = await connection(replica.url);
      await until('the replica has the epoch', async () => (await follower.hget('bw:{0}:shard', 'epoch')) === epoch);
    }

    async function append(lane: Lane, messages: (device: number) => readonly TwinMessage[]): Promise<void> {
      for (const partition of all) {
        const lines = keys.flatMap((key, device) => {
          if (partitionOf(device) !== partition) return [];
          const record = { key, incarnation: 1 as Incarnation, sessionEpoch: 0 as SessionEpoch };
          return messages(device).map((message) => recordLine({ ...record, message }));
        });
        await appendLines(log, { lane, partition }, lines);
      }
    }

    async function change(round: number): Promise<void> {
      await append('control', (device) => [
        { kind: 'patchTwin', operationId: `op-${round}-${device}`, desired: { round } },
        { kind: 'reportState', patch: { round } },
      ]);
      await append('telemetry', () => [
        { kind: 'telemetry', points: [{ tsMs: Date.now(), values: new Map([['round', round]]) }] },
      ]);
    }
  },
);

function versionsIn(contents: readonly PartitionContent[]): ReadonlyMap<DeviceKey, number> {
  return new Map(contents.flatMap(({ twins }) => [...twins].map(([key, state]) => [key, parseTwin(state).version])));
}

function numberOf(epoch: Epoch): number {
  return Number.parseInt(epoch, 10);
}

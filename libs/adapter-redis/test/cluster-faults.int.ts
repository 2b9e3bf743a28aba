import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { assert, type Offset, type Partition, type SessionEpoch } from '@breakwater/twin';
import type { AppendRequest, ReadBatch } from '@breakwater/twin-runtime';

import {
  connectRedis,
  type RedisClient,
  RedisCommandHints,
  RedisPartitionLeases,
  RedisSessionDirectory,
} from '../src/index.ts';
import {
  redisServerAvailable,
  startRedisCluster,
  type ClusterNodeForTest,
  type RedisClusterForTest,
} from '../src/testing/index.ts';
import { found, reconnected } from './come-about.ts';
import { logOn, oneStep, ShardUnderLoad, storeOn } from './shard-under-load.ts';

const TIMEOUT_MS = 120_000;
const PARTITIONS = 8;
const CUTS = 15;
const STEPS = 50;
const SESSIONS = 300;

const available = redisServerAvailable() ? describe : describe.skip;

available('a Redis Cluster of three, when things fail', () => {
  let cluster: RedisClusterForTest;
  let redis: RedisClient;
  beforeAll(async () => {
    cluster = await startRedisCluster({ proxied: true });
    redis = await connectRedis(cluster.url);
  }, TIMEOUT_MS);
  afterAll(async () => {
    redis?.disconnect();
    await cluster?.stop();
  }, TIMEOUT_MS);

  const ownerOf = (partition: Partition): Promise<ClusterNodeForTest> => cluster.ownerOf(`bw:{${partition}}:shard`);

  it(
    'runs a commit and an append once when the reply is lost, and says that the outcome is unknown',
    async () => {
      const partition = 0 as Partition;
      const { proxy } = await ownerOf(partition);
      assert(proxy !== null, 'the node stands behind a proxy');
      const store = storeOn(redis);
      const log = logOn(redis);
      for (let at = 0; at < CUTS; at++) {
        const { epoch } = await reconnected(() => store.takeOwnership(partition, 'worker'));
        proxy.cutNextReply('eval');
        await expect(store.commit([oneStep(partition, epoch, at)])).rejects.toThrow();
        const again = await reconnected(() => store.commit([oneStep(partition, epoch, at)]));
        expect(again).toEqual([{ kind: 'refused', code: 'POSITION_MISMATCH' }]);
        const request = { ...FRAME, partition, seq: at + 1 };
        proxy.cutNextReply('eval');
        await expect(log.append([request])).rejects.toThrow();
        expect(await reconnected(() => log.append([request]))).toMatchObject([{ firstOffset: at, repeated: true }]);
      }
      expect((await store.ledger(partition)).counts.telemetry).toEqual({ applied: CUTS });
      expect(proxy.cuts).toBe(2 * CUTS);
    },
    TIMEOUT_MS,
  );

  it(
    'goes on while a slot moves to another node and back, and neither loses nor doubles anything',
    async () => {
      const moved = 1 as Partition;
      await keepSessions(redis, moved);
      const from = await ownerOf(moved);
      const to = cluster.masters.find((node) => node !== from)!;
      const shard = new ShardUnderLoad(redis, moved);
      const reader = shard.log.reader();
      shard.start();
      await shard.progresses(STEPS);
      for (const target of [to, from]) {
        await cluster.moveSlotOf('bw:{1}:shard', target);
        expect(await ownerOf(moved)).toBe(target);
        await shard.progresses(STEPS);
      }
      await shard.stop();
      expect((await shard.store.ledger(moved)).counts.telemetry).toEqual({ applied: shard.steps });
      expect(await shard.log.bounds('telemetry', moved)).toMatchObject({ first: 0, end: shard.steps });
      expect((await readAll(reader, moved)).length).toBe(shard.steps);
      reader.close();
    },
    TIMEOUT_MS,
  );

  it(
    'says of each frame and commit by itself what became of it while a node is away, and comes back by itself',
    async () => {
      const partitions = Array.from({ length: PARTITIONS }, (_, at) => (at + 100) as Partition);
      const away = await ownerOf(partitions[0]!);
      const owners = await Promise.all(partitions.map(ownerOf));
      const isAway = owners.map((owner) => owner === away);
      expect(new Set(isAway)).toEqual(new Set([true, false]));
      const store = storeOn(redis);
      const log = logOn(redis);
      const reader = log.reader();
      const leases = new RedisPartitionLeases(redis);
      const epochs = await Promise.all(partitions.map((each) => store.takeOwnership(each, 'worker')));
      const commits = partitions.map((each, at) => oneStep(each, epochs[at]!.epoch, 0));
      const requests = partitions.map((partition) => ({ ...FRAME, partition, seq: 1 }));
      await away.server.kill();
      expect((await log.append(requests)).map(({ kind }) => kind)).toEqual(
        isAway.map((gone) => (gone ? 'unknown' : 'appended')),
      );
      expect((await store.commit(commits)).map(({ kind }) => kind)).toEqual(
        isAway.map((gone) => (gone ? 'unknown' : 'committed')),
      );
      expect(await leases.acquire(partitions, 'worker', TIMEOUT_MS)).toEqual(isAway.map((gone) => !gone));
      const gone = commits.filter((_, at) => isAway[at]);
      await expect(store.commit(gone)).rejects.toThrow();
      await away.server.restart();
      const repeated = await reconnected(async () => {
        const results = await log.append(requests);
        assert(
          results.every(({ kind }) => kind === 'appended'),
          'all nodes answer',
        );
        return results;
      });
      for (const [at, result] of repeated.entries()) {
        expect(result).toMatchObject(isAway[at] ? { firstOffset: 0 } : { firstOffset: 0, repeated: true });
        expect(await log.bounds('telemetry', partitions[at]!)).toMatchObject({ first: 0, end: 1 });
      }
      expect(await reconnected(() => store.commit(gone))).toEqual(gone.map(() => ({ kind: 'committed' })));
      const from = partitions.map((partition) => ({ lane: 'telemetry', partition, from: 0 as Offset }) as const);
      const limits = { framesMaxPerPartition: 10, waitMs: 100 };
      const found = await reconnected(() => reader.read(from, limits));
      expect(found.map(({ partition }) => partition).sort()).toEqual([...partitions].sort());
      reader.close();
    },
    TIMEOUT_MS,
  );
});

available('a Redis Cluster with replicas', () => {
  let cluster: RedisClusterForTest;
  let redis: RedisClient;
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicasEach: 1 });
    redis = await connectRedis(cluster.url);
  }, TIMEOUT_MS);
  afterAll(async () => {
    redis?.disconnect();
    await cluster?.stop();
  }, TIMEOUT_MS);

  it(
    'goes on with the replica when a master is killed, under another epoch, and hears broadcasts again',
    async () => {
      const partition = 0 as Partition;
      const store = storeOn(redis);
      const hints = new RedisCommandHints(redis);
      let heard = 0;
      await hints.subscribe(() => (heard += 1));
      const before = await store.takeOwnership(partition, 'worker');
      expect(await store.commit([oneStep(partition, before.epoch, 0)])).toEqual([{ kind: 'committed' }]);
      const master = await cluster.ownerOf('bw:{0}:shard');
      await replicated(master);
      await master.server.kill();
      const after = await reconnected(() => store.takeOwnership(partition, 'worker'));
      expect(after.positions.telemetry).toBe(1);
      expect(after.epoch).not.toBe(before.epoch);
      expect(await store.commit([oneStep(partition, before.epoch, 1)])).toEqual([
        { kind: 'refused', code: 'STALE_EPOCH' },
      ]);
      expect(await store.commit([oneStep(partition, after.epoch, 1)])).toEqual([{ kind: 'committed' }]);
      expect((await cluster.ownerOf('bw:{0}:shard')).replicaOf).toBe(master);
      // Whichever node it listened on.
      await found(async () => {
        await hints.publish([{ partition, tenant: 'default', commandId: 'c1' } as never]);
        return heard > 0;
      });
      hints.close();
    },
    TIMEOUT_MS,
  );
});

const FRAME = {
  lane: 'telemetry',
  producerId: 'producer',
  recordCount: 1,
  body: 'record',
} as const satisfies Partial<AppendRequest>;

/** Many keys in the slot, so that its move takes many steps. */
async function keepSessions(redis: RedisClient, partition: Partition): Promise<void> {
  const directory = new RedisSessionDirectory(redis);
  for (let at = 0; at < SESSIONS; at++) {
    const key = `default/kept-${at}` as Parameters<RedisSessionDirectory['open']>[1];
    const { sessionEpoch } = await directory.open(partition, key, 'gateway');
    const session = { sessionEpoch: sessionEpoch as SessionEpoch, ttlMs: TIMEOUT_MS, bytes: new Uint8Array(1_000) };
    expect(await directory.save(partition, key, session)).toBe('saved');
  }
}

async function readAll(reader: ReturnType<typeof logOn>, partition: Partition): Promise<readonly string[]> {
  const lines: string[] = [];
  for (;;) {
    const request = { lane: 'telemetry', partition, from: lines.length as Offset } as const;
    const [batch]: readonly ReadBatch[] = await reader.read([request], { framesMaxPerPartition: 100, waitMs: 0 });
    if (batch === undefined) return lines;
    for (const { body } of batch.frames) lines.push(body.toString());
  }
}

/** The replica has everything that its master has. */
async function replicated({ admin }: ClusterNodeForTest): Promise<void> {
  await found(async () => {
    const info = (await admin.call('info', 'replication')) as string;
    const [offset, copied] = [/master_repl_offset:(\d+)/, /slave0:.*offset=(\d+)/].map((each) => each.exec(info)?.[1]);
    return offset !== undefined && offset === copied;
  });
}

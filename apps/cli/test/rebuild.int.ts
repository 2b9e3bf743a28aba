import {
  ClickHouseSnapshotArchive,
  connectClickHouse,
  migrateClickHouse,
  type ClickHouse,
} from '@breakwater/adapter-clickhouse';
import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { checkInstallation, RedisEventLog, RedisPartitionLeases, RedisTwinSnapshots } from '@breakwater/adapter-redis';
import {
  appendLines,
  connectServer,
  recordLine,
  redisServerAvailable,
  type RedisServerForTest,
  RedisWorker,
  startRedisServer,
} from '@breakwater/adapter-redis/testing';
import type { DeviceKey, Incarnation, LogId, Offset, Partition, SessionEpoch, TwinMessage } from '@breakwater/twin';
import {
  type InputRecord,
  type Lane,
  LANES,
  SnapshotLoop,
  type SnapshotRound,
  type SnapshotSource,
  systemClock,
} from '@breakwater/twin-runtime';
import { afterEach, beforeAll, afterAll, beforeEach, describe, expect, it } from '@jest/globals';

import { rebuildCommand, type RebuildOptions } from '../src/commands/rebuild-command.ts';
import type { RebuildStores } from '../src/installation/connect-stores.ts';
import { rebuildPartition } from '../src/rebuild/rebuild-partition.ts';

type Redis = Awaited<ReturnType<typeof connectServer>>;

const PARTITIONS = 4;
/** With 10,000 (REBUILD_TWINS) it is the measurement of docs/performance.md. */
const TWINS = Number(process.env['REBUILD_TWINS'] ?? 1_000);
const TIMEOUT_MS = 180_000;
const REBUILD_MS_MAX = 120_000;
/** Short, so that nobody waits long for one that was killed. */
const RESTORE_LEASE_MS = 1_000;
const MEBIBYTE = 1024 * 1024;
const all = Array.from({ length: PARTITIONS }, (_, at) => at as Partition);

(redisServerAvailable() ? describe : describe.skip)('breakwater rebuild', () => {
  let embedded: EmbeddedProcess;
  let logServer: RedisServerForTest;
  let twinServer: RedisServerForTest;
  let clickhouse: ClickHouse;
  let logRedis: Redis;
  let redis: Redis;
  let log: RedisEventLog;
  let database = 0;
  let meanwhile: (() => Promise<void>) | null = null;
  const lines: string[] = [];
  const workers: RedisWorker[] = [];

  beforeAll(async () => {
    [embedded, logServer, twinServer] = await Promise.all([
      EmbeddedProcess.start(),
      startRedisServer(),
      startRedisServer(),
    ]);
  }, TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all([embedded.remove(), logServer.stop(), twinServer.stop()]);
  }, TIMEOUT_MS);

  beforeEach(async () => {
    database += 1;
    clickhouse = connectClickHouse({
      ...{ url: embedded.url, user: 'default', password: '' },
      database: `rebuild${database}`,
    });
    await migrateClickHouse(clickhouse);
    logRedis = await connectServer(logServer.url);
    redis = await connectServer(twinServer.url);
    await Promise.all([logRedis.flushall(), redis.flushall()]);
    const lane = 64 * MEBIBYTE;
    log = new RedisEventLog({ redis: logRedis, laneBytesMax: { control: lane, telemetry: lane }, frameBytesMax: lane });
    lines.length = 0;
  }, TIMEOUT_MS);
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    log.close();
    for (const connection of [logRedis, redis]) connection.disconnect();
    await clickhouse.client.close();
  }, TIMEOUT_MS);

  it(
    'brings every twin back byte for byte, with its ledger and its timers, and the workers go on',
    async () => {
      const worker = startWorker();
      await fill(worker, TWINS);
      const copied: number[] = [];
      const snapshots = snapshotLoop(worker, (twins) => copied.push(twins));
      await snapshots.tick();
      expect(sum(copied.splice(0), (twins) => twins)).toBe(TWINS);
      // What only a later round has, and what none has: twins that change again, some by telemetry alone, some deleted.
      await change(worker, 0, TWINS / 4);
      // The store goes on while the round is under way: twins of one round are of different moments.
      meanwhile = () => change(worker, TWINS / 8, (TWINS * 3) / 8);
      await snapshots.tick();
      const later = sum(copied.splice(0), (twins) => twins);
      // Those that were deleted before take nothing more.
      expect([later > TWINS / 4, later < TWINS]).toEqual([true, true]);
      await trimToFloor(snapshots);
      await change(worker, 0, TWINS / 8);
      await append('control', created(TWINS, TWINS + 50));
      await until(() => worker.isDone());
      const before = await worker.contents();
      expect(sum(before, ({ twins }) => twins.size)).toBe(TWINS + 50);
      expect(before.flatMap(({ timers }) => timers)).not.toHaveLength(0);

      await worker.stop();
      await redis.flushall();
      const next = startWorker();
      await until(async () => next.stopped.size === PARTITIONS);
      expect([...next.stopped.values()].map(({ code }) => code)).toEqual(all.map(() => 'TWIN_STORE_EMPTY'));
      const startedMs = performance.now();
      expect(await rebuild()).toBe(0);
      expect(performance.now() - startedMs).toBeLessThan(REBUILD_MS_MAX);
      expect(lines[0]).toMatch(/\([1-9]\d* records replayed, [1-9]\d* left for the workers\)/);
      expect(lines.at(-1)).toMatch(/twins of 4 partitions in .* s; \d+ records are left for the workers/);
      await until(() => next.isDone());
      expect(await next.contents()).toEqual(before);

      // A second run touches nothing, and what comes next is applied once.
      expect(await rebuild()).toBe(0);
      expect(lines.at(-1)).toContain('nothing to rebuild');
      await change(next, 0, 100);
      const after = await next.contents();
      expect(sum(after, ({ twins }) => twins.size)).toBe(TWINS + 50);
      for (const partition of all) expect(await next.uncounted(partition)).toEqual({ control: 0, telemetry: 0 });
    },
    TIMEOUT_MS,
  );

  it(
    'goes on after it was cut off, and lets nobody own what is half there',
    async () => {
      const worker = startWorker();
      await fill(worker, 100);
      const snapshots = snapshotLoop(worker);
      await snapshots.tick();
      await change(worker, 0, 100);
      await trimToFloor(snapshots);
      const before = await worker.contents();
      await worker.stop();
      await redis.flushall();
      await checkInstallation(redis, { partitionCount: PARTITIONS });
      // Cut off in the first partition, with some of it written.
      const restorer = new RedisTwinSnapshots(redis, { restoreLeaseMs: RESTORE_LEASE_MS });
      expect(await restorer.begin(0 as Partition)).toEqual({ kind: 'begun' });
      await restorer.write(0 as Partition, [{ key: 'default/ghost' as DeviceKey, revision: 1, state: '{}' }], []);
      const next = startWorker();
      await until(async () => next.stopped.get(0 as Partition)?.code === 'SHARD_RESTORING');
      expect(await rebuild()).toBe(0);
      await until(() => next.isDone());
      expect(await next.contents()).toEqual(before);
    },
    TIMEOUT_MS,
  );

  it(
    'is refused beside another one that is at work, and takes the place of one that was killed',
    async () => {
      const worker = startWorker();
      await fill(worker, 40);
      const snapshots = snapshotLoop(worker);
      await snapshots.tick();
      await trimToFloor(snapshots);
      const before = await worker.contents();
      await worker.stop();
      await redis.flushall();
      await checkInstallation(redis, { partitionCount: PARTITIONS });
      const other = new RedisTwinSnapshots(redis, { restoreLeaseMs: RESTORE_LEASE_MS });
      expect(await other.begin(2 as Partition)).toEqual({ kind: 'begun' });
      const atWork = setInterval(() => void other.write(2 as Partition, [], []), RESTORE_LEASE_MS / 10);
      await expect(rebuild()).rejects.toMatchObject({ code: 'REBUILD_RUNNING' });
      clearInterval(atWork);
      expect(await rebuild()).toBe(0);
      // What it still has to write is refused.
      const ghost = { key: 'default/ghost' as DeviceKey, revision: 1, state: '{}' };
      await expect(other.write(2 as Partition, [ghost], [])).rejects.toMatchObject({ code: 'REBUILD_RUNNING' });
      await expect(other.end(2 as Partition, '{"fields":{},"outbox":[]}')).rejects.toMatchObject({
        code: 'REBUILD_RUNNING',
      });
      expect(await worker.contents()).toEqual(before);

      // Two that begin together: one of them waits for what the other has, and finds it done.
      await redis.flushall();
      await checkInstallation(redis, { partitionCount: PARTITIONS });
      const both = await Promise.allSettled([rebuild({}, RESTORE_LEASE_MS), rebuild({}, RESTORE_LEASE_MS)]);
      for (const each of both) {
        // On a machine that stands still for so long one may take the other's place.
        const end = each.status === 'fulfilled' ? each.value : (each.reason as { readonly code: string }).code;
        expect([0, 'REBUILD_RUNNING']).toContain(end);
      }
      expect(await rebuild()).toBe(0);
      expect(await worker.contents()).toEqual(before);
    },
    TIMEOUT_MS,
  );

  it(
    'holds no more records at once than it may: then it takes some of the twins at a time',
    async () => {
      const worker = startWorker();
      await fill(worker, 200);
      const snapshots = snapshotLoop(worker);
      await snapshots.tick();
      await change(worker, 0, 50);
      // What is written after a round has begun is between its floor and the positions that it ends with.
      meanwhile = () => change(worker, 0, 200);
      await snapshots.tick();
      const before = await worker.contents();
      await worker.stop();
      await trimToFloor(snapshots);
      await redis.flushall();
      await checkInstallation(redis, { partitionCount: PARTITIONS });
      const reads: string[] = [];
      const counting = new Proxy(log, {
        get: (target, name) => {
          if (name === 'read') reads.push('read');
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
      const archive = new ClickHouseSnapshotArchive(clickhouse);
      const parts = { archive, restorer: new RedisTwinSnapshots(redis), logId: await log.logId() };
      for (const partition of all) {
        const done = await rebuildPartition({ ...parts, log: counting, recordBytesMax: 8_000 }, partition);
        expect(done.kind).toBe('rebuilt');
      }
      expect(await worker.contents()).toEqual(before);
      // The first partition's are some fifty kilobytes: both lanes are read again and again.
      expect(reads.length).toBeGreaterThan(8);
      await redis.flushall();
      await expect(rebuildPartition({ ...parts, log, recordBytesMax: 10 }, 0 as Partition)).rejects.toMatchObject({
        code: 'REBUILD_IMPOSSIBLE',
      });
    },
    TIMEOUT_MS,
  );

  it(
    'replaces nothing where there is no snapshot, though the log is whole',
    async () => {
      const worker = startWorker();
      await fill(worker, 40);
      const before = await worker.contents();
      await worker.stop();
      expect(await rebuild({ replace: 1 as Partition })).toBe(1);
      expect(lines.join()).toContain('REBUILD_IMPOSSIBLE');
      expect(await worker.contents()).toEqual(before);
    },
    TIMEOUT_MS,
  );

  it(
    'refuses an owner from before, and copies everything again after a rebuild',
    async () => {
      const worker = startWorker();
      await fill(worker, 100);
      const snapshots = snapshotLoop(worker);
      await snapshots.tick();
      const partition = 0 as Partition;
      await worker.stop();
      const old = await worker.store.takeOwnership(partition, 'old');
      await redis.flushall();
      expect(await rebuild()).toBe(0);
      const { positions } = await worker.store.ledger(partition);
      const counts = { control: { noop: 1 }, telemetry: {} };
      const commit = {
        ...{ partition, epoch: old.epoch, logId: (await log.logId()) as LogId, expected: positions },
        next: { ...positions, control: (positions.control + 1) as Offset },
        ...{ twins: [], outbox: [], timers: [], counts, tenants: { control: {}, telemetry: {} } },
      };
      expect(await worker.store.commit([commit])).toEqual([{ kind: 'refused', code: 'STALE_EPOCH' }]);
      const now = await worker.store.takeOwnership(partition, 'new');
      expect(Number.parseInt(now.epoch, 10)).toBeGreaterThan(Number.parseInt(old.epoch, 10));
      const copied: number[] = [];
      await snapshotLoop(worker, (twins) => copied.push(twins)).tick();
      expect(sum(copied, (twins) => twins)).toBe(sum(await worker.contents(), ({ twins }) => twins.size));
    },
    TIMEOUT_MS,
  );

  it(
    'replaces a partition that is there only when it is told to, and never under a worker',
    async () => {
      const worker = startWorker();
      await fill(worker, 40);
      await snapshotLoop(worker).tick();
      const before = await worker.contents();
      await redis.hdel('bw:{1}:twins', 'default/d1');
      const replace = (): Promise<number> => rebuild({ replace: 1 as Partition });
      await expect(replace()).rejects.toMatchObject({ code: 'INSTALLATION_RUNNING' });
      await worker.stop();
      expect(await rebuild()).toBe(0);
      expect((await worker.contents())[1]?.twins.size).toBe(before[1]!.twins.size - 1);
      expect(await replace()).toBe(0);
      expect(await worker.contents()).toEqual(before);
    },
    TIMEOUT_MS,
  );

  it(
    'says what is missing when the log has forgotten what no snapshot has',
    async () => {
      const worker = startWorker();
      await fill(worker, 20);
      await snapshotLoop(worker).tick();
      await change(worker, 0, 20);
      await worker.stop();
      for (const partition of all) {
        for (const lane of LANES) await log.trim(lane, partition, (await log.bounds(lane, partition)).end);
      }
      await redis.flushall();
      expect(await rebuild()).toBe(1);
      expect(lines.filter((line) => line.includes('REBUILD_IMPOSSIBLE'))).toHaveLength(PARTITIONS);
    },
    TIMEOUT_MS,
  );

  function startWorker(): RedisWorker {
    const worker = new RedisWorker({
      log,
      redis,
      partitionCount: PARTITIONS,
      memberId: `w${workers.length}-${Date.now()}`,
    });
    workers.push(worker);
    worker.start();
    return worker;
  }

  function snapshotLoop(worker: RedisWorker, onRound: (twins: number) => void = () => undefined): SnapshotLoop {
    const lane = 64 * MEBIBYTE;
    return new SnapshotLoop({
      ...{ source: movingSource(), archive: new ClickHouseSnapshotArchive(clickhouse) },
      ...{ twins: worker.store, log, isStoreReady: () => true, clock: systemClock, partitionCount: PARTITIONS },
      ...{ intervalMs: 0, laneBytesMax: { control: lane, telemetry: lane }, backoffMaxMs: 100 },
      observer: {
        roundEnded: (_partition, twins) => onRound(twins),
        looked: () => undefined,
        failed: (_failures, error) => {
          throw error;
        },
      },
    });
  }

  /** The store's own, that lets something happen right after a round has begun. */
  function movingSource(): SnapshotSource {
    const snapshots = new RedisTwinSnapshots(redis);
    const beginRound = async (partition: Partition): Promise<SnapshotRound | null> => {
      const round = await snapshots.beginRound(partition);
      const happens = meanwhile;
      meanwhile = null;
      await happens?.();
      return round;
    };
    return {
      beginRound,
      changedKeys: (partition) => snapshots.changedKeys(partition),
      allKeys: (partition) => snapshots.allKeys(partition),
      snapshot: (partition, keys) => snapshots.snapshot(partition, keys),
      endRound: (partition, number) => snapshots.endRound(partition, number),
    };
  }

  function rebuild(options: RebuildOptions = {}, restoreLeaseMs?: number): Promise<number> {
    const archive = new ClickHouseSnapshotArchive(clickhouse);
    const holders = new RedisPartitionLeases(redis);
    const restorer = new RedisTwinSnapshots(redis, restoreLeaseMs === undefined ? {} : { restoreLeaseMs });
    const stores = { log, archive, restorer, holders, partitionCount: PARTITIONS };
    const terminal = { line: (text = '') => void lines.push(text), json: () => undefined };
    const { signal } = new AbortController();
    return rebuildCommand(stores as unknown as RebuildStores, options, { terminal, signal });
  }

  /** Created, with a session, something desired, a command that waits, and measurements. */
  async function fill(worker: RedisWorker, twins: number): Promise<void> {
    await until(async () => worker.stopped.size === 0);
    await append('control', created(0, twins));
    await until(() => worker.isDone());
    await change(worker, 0, twins);
  }

  async function change(worker: RedisWorker, from: number, to: number): Promise<void> {
    const salt = Math.random();
    const operationId = (device: number): string => `op-${device}-${salt}`;
    const deadlineMs = Date.now() + 3_600_000;
    const commandId = (device: number): string => `c-${device}-${salt}`;
    await append(
      'control',
      recordsOf(from, to, (device) => [
        { kind: 'patchTwin', operationId: operationId(device), desired: { interval: salt, device } },
        // Applied again, these two count again.
        { kind: 'reportState', patch: { firmware: salt } },
        { kind: 'reportState', patch: { firmware: null } },
        ...(device % 10 === 0
          ? ([
              {
                kind: 'orderCommand',
                operationId: '',
                commandId: commandId(device),
                bodyDigest: 'd',
                method: 'm',
                deadlineMs,
              },
            ] as const)
          : []),
        ...(device % 97 === 96 ? ([{ kind: 'deviceDeleted' }] as const) : []),
      ]),
    );
    // Some change by telemetry alone.
    const tsMs = Date.now();
    await append(
      'telemetry',
      recordsOf(from, to + (to - from), (device) => [
        { kind: 'telemetry', points: [{ tsMs, values: new Map([['t', salt]]) }] },
        { kind: 'telemetry', points: [{ tsMs: tsMs + 1, values: new Map([['u', device]]) }] },
      ]).filter((_, at) => at < 2 * TWINS),
    );
    await until(() => worker.isDone());
  }

  async function append(lane: Lane, records: readonly (readonly [Partition, string])[]): Promise<void> {
    for (const partition of all) {
      const own = records.filter(([of]) => of === partition).map(([, line]) => line);
      await appendLines(log, { lane, partition }, own);
    }
  }

  /** As the writer trims: everything that a snapshot has. */
  async function trimToFloor(snapshots: SnapshotLoop): Promise<void> {
    const logId = (await log.logId()) as LogId;
    for (const partition of all) {
      const floor = snapshots.floor(partition, logId);
      for (const lane of LANES) await log.trim(lane, partition, floor![lane]);
    }
  }
});

function created(from: number, to: number): readonly (readonly [Partition, string])[] {
  return recordsOf(from, to, () => [{ kind: 'deviceCreated' }]);
}

function recordsOf(
  from: number,
  to: number,
  messages: (device: number) => readonly TwinMessage[],
): readonly (readonly [Partition, string])[] {
  const records: (readonly [Partition, string])[] = [];
  for (let device = from; device < to; device += 1) {
    const record: Omit<InputRecord, 'message'> = {
      key: `default/d${device}` as DeviceKey,
      incarnation: 1 as Incarnation,
      sessionEpoch: 0 as SessionEpoch,
    };
    const partition = (device % PARTITIONS) as Partition;
    for (const message of messages(device)) records.push([partition, recordLine({ ...record, message })]);
  }
  return records;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

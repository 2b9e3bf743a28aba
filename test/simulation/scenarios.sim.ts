import { describe, expect, it } from '@jest/globals';

import { MemoryTwinStore } from '@breakwater/adapter-memory';
import type { DeviceKey, Offset, Partition } from '@breakwater/twin';
import {
  DEFAULT_RUNTIME_LIMITS,
  LeasedMembership,
  type PartitionLeases,
  SessionReaper,
  type ShardRegion,
  type TwinModel,
  twinModel,
} from '@breakwater/twin-runtime';

import { CalmPlatform } from '../src/simulation/calm-platform.ts';
import { explosiveModel, THROWING_EVENT } from '../src/simulation/chain-model.ts';
import { HalfAwayStore } from '../src/simulation/half-away-store.ts';
import { ShardPauses } from '../src/simulation/shard-pauses.ts';
import { simulate } from '../src/simulation/simulator.ts';

const P0 = 0 as Partition;
const KEY = 'default/d1' as DeviceKey;
/** So many that some also move between members that were there before and stay. */
const PARTITIONS_MANY = 200;
/** A tick that is under way when a lease comes free. */
const PAUSE_SLACK_MS = 50;

describe('a seed that once failed', () => {
  it('41: an owner that is merely late does not take a trimmed log for a lost one', () => expectKept(41));
  it('10: an attempt whose reply was lost is counted once', () => expectKept(10));
  it('3619: a process that lives, and hands its shard over, has not died of a record', () => expectKept(3619));
  it('3687: a process that tries again and again is one process', () => expectKept(3687));
  it('49: a lost commit is not the fault of its record', () => expectKept(49));
});

describe('a partition stops loudly', () => {
  it('at a record of an unknown version, after everything before it, and never dead-letters it', async () => {
    const platform = new CalmPlatform({ partitionCount: 2 });
    await platform.appendLines('telemetry', [platform.line(report(1)), '{"v":2}', platform.line(report(2))]);
    for (let life = 0; life < 8; life++) {
      const region = platform.region();
      region.start();
      await platform.until('the partition stopped', () => region.status.stopped.has(P0));
      expect(region.status.stopped.get(P0)?.code).toBe('RECORD_VERSION_UNKNOWN');
      expect(region.status.partitions).toEqual([1]);
      await stop(platform, region);
    }
    expect((await platform.store.ledger(P0)).positions.telemetry).toBe(1);
    expect(platform.deadLetters).toEqual([]);
  });

  it('when its positions belong to another log', async () => {
    const store = new MemoryTwinStore();
    const before = new CalmPlatform({ store });
    await before.appendMessages('control', [report(1)]);
    const region = before.region();
    region.start();
    await before.caughtUp();
    await stop(before, region);
    const restored = new CalmPlatform({ store, logId: 'another log' });
    await restored.appendMessages('control', [report(2), report(3)]);
    const successor = restored.region();
    successor.start();
    await restored.until('the partition stopped', () => successor.status.stopped.size > 0);
    expect(successor.status.stopped.get(P0)?.code).toBe('LOG_CHANGED');
    expect((await store.ledger(P0)).positions.control).toBe(1);
    await stop(restored, successor);
  });

  it('when the store has nothing and the log not all, and goes on when the store has it', async () => {
    const platform = new CalmPlatform();
    await platform.appendMessages('control', [report(1)]);
    await platform.appendMessages('control', [report(2)]);
    await platform.log.trim('control', P0, 1 as Offset);
    const region = platform.region();
    region.start();
    await platform.until('the partition stopped', () => region.status.stopped.size > 0);
    expect(region.status.stopped.get(P0)?.code).toBe('TWIN_STORE_EMPTY');
    expect(region.status.stopped.get(P0)?.message).toContain('breakwater rebuild');
    const { epoch } = await platform.store.takeOwnership(P0, 'a rebuild');
    const [none, one] = [0 as Offset, 1 as Offset];
    const tenants = { control: { t: { noop: 1 } }, telemetry: {} };
    const nothing = { twins: [], outbox: [], timers: [], tenants };
    const positions = { expected: { control: none, telemetry: none }, next: { control: one, telemetry: none } };
    const counts = { control: { noop: 1 }, telemetry: {} };
    const logId = await platform.log.logId();
    await platform.store.commit([{ partition: P0, epoch, logId, ...positions, counts, ...nothing }]);
    await platform.until('the partition went on', () => region.status.stopped.size === 0);
    await stop(platform, region);
  });

  it('when the log no longer has what comes next', async () => {
    const platform = new CalmPlatform();
    const first = platform.region();
    first.start();
    await platform.appendMessages('control', [report(1)]);
    await platform.until('it is applied', async () => (await platform.store.ledger(P0)).positions.control === 1);
    await stop(platform, first);
    await platform.appendMessages('control', [report(2)]);
    await platform.appendMessages('control', [report(3)]);
    await platform.log.trim('control', P0, 2 as Offset);
    const region = platform.region();
    region.start();
    await platform.until('the partition stopped', () => region.status.stopped.size > 0);
    expect(region.status.stopped.get(P0)?.code).toBe('POSITION_OUT_OF_RANGE');
    await stop(platform, region);
  });
});

describe('a store of several nodes, one of which is away', () => {
  const P1 = 1 as Partition;

  it.each([0, 1])('ends only the shards that it has, and applies all once when it is back (%i done)', async (done) => {
    const store = new HalfAwayStore();
    const platform = new CalmPlatform({ partitionCount: 2, store });
    const append = async (number: number): Promise<void> => {
      for (const partition of [P0, P1])
        await platform.appendLines('control', [platform.line(report(number))], partition);
    };
    const region = platform.region();
    region.start();
    await append(1);
    await platform.caughtUp(P0);
    await platform.caughtUp(P1);
    store.commitsBeforeSilence = done;
    store.away.add(P0);
    for (let number = 2; number < 6; number++) {
      await append(number);
      await platform.caughtUp(P1);
    }
    expect(new Set(platform.ends)).toEqual(new Set(['0 commitUnknown']));
    expect((await store.ledger(P0)).positions.control).toBe(1 + done);
    store.away.clear();
    await platform.caughtUp(P0);
    for (const partition of [P0, P1]) expect((await store.ledger(partition)).counts.control).toEqual({ applied: 5 });
    await stop(platform, region);
  });

  it('ends a shard whose twins cannot be loaded, and computes the others', async () => {
    const store = new HalfAwayStore();
    const platform = new CalmPlatform({ partitionCount: 2, store });
    const region = platform.region();
    region.start();
    await platform.until('both shards have an owner', () => region.status.partitions.length === 2);
    store.away.add(P0);
    for (const partition of [P0, P1]) await platform.appendLines('control', [platform.line(report(1))], partition);
    await platform.caughtUp(P1);
    await platform.until('the shard ended', () => platform.ends.length > 0);
    expect(platform.ends).toContain('0 loadFailed');
    store.away.clear();
    await platform.caughtUp(P0);
    await stop(platform, region);
  });
});

describe('a record that cannot be applied', () => {
  it('is dead-lettered when it throws or is no record, and the others are applied', async () => {
    const platform = new CalmPlatform();
    const thrown = { kind: 'event', name: THROWING_EVENT, tsMs: 1, data: null } as const;
    const lines = [platform.line(report(1)), platform.line(thrown), 'rubbish', platform.line(report(2))];
    await platform.appendLines('control', lines);
    const region = platform.region({ model: explosiveModel(() => {}) });
    region.start();
    await platform.caughtUp();
    expect(platform.deadLetters).toEqual(['control MESSAGE_FAILED', 'control RECORD_UNREADABLE']);
    expect((await platform.store.ledger(P0)).counts.control).toEqual({ applied: 2, dead: 2 });
    expect(platform.dispatched.filter(({ kind }) => kind === 'deadLetter').map(({ id }) => id)).toEqual([
      'control:1:0',
      'control:2:0',
    ]);
    await stop(platform, region);
  });

  it('is found alone when it breaks an invariant, and nothing of it is stored', async () => {
    const platform = new CalmPlatform();
    await platform.appendMessages('control', [report(1), report(666)]);
    const region = platform.region({ model: fragileModel(666) });
    region.start();
    await platform.caughtUp();
    await platform.appendMessages('control', [report(3)]);
    await platform.caughtUp();
    expect(platform.deadLetters).toEqual(['control TWIN_INVARIANT_BROKEN']);
    const { state } = await platform.store.read(P0, KEY);
    expect(twinModel.parseTwin(String(state))).toMatchObject({ reported: { number: 3 }, reportedVersion: 2 });
    await stop(platform, region);
  });

  it('is not looked for in an idle shard, however often that changed hands', async () => {
    const platform = new CalmPlatform();
    for (let life = 0; life < 10; life++) {
      const region = platform.region();
      region.start();
      await platform.until('the shard started', () => region.status.partitions.length === 1);
      await stop(platform, region);
    }
    const region = platform.region();
    region.start();
    await platform.appendMessages('control', [report(1), report(2)]);
    await platform.caughtUp();
    expect(platform.deadLetters).toEqual([]);
    await stop(platform, region);
  });
});

describe('control', () => {
  it('does not wait for a backlog of telemetry', async () => {
    const platform = new CalmPlatform();
    for (let frame = 0; frame < 40; frame++) {
      const messages = Array.from({ length: 50 }, (_, index) => telemetry(frame * 50 + index));
      await platform.appendMessages('telemetry', messages);
    }
    await platform.appendMessages('control', [report(1)]);
    const region = platform.region({ limits: { recordsPerBatchMax: 100 } });
    region.start();
    await platform.caughtUp();
    expect(platform.commits[0]).toMatchObject({ control: 1, records: 101 });
    expect(platform.commits.length).toBeGreaterThan(10);
    await stop(platform, region);
  });
});

describe('timers', () => {
  it('fire once through the log, and are gone with the commit that applies them', async () => {
    const platform = new CalmPlatform();
    const region = platform.region({ model: armingModel(2_000) });
    region.start();
    await platform.appendMessages('control', [report(1)]);
    await platform.caughtUp();
    expect(await platform.store.dueTimers(P0, platform.time.nowMs() + 10_000, 10)).toHaveLength(1);
    await platform.time.advance(10_000);
    expect((await platform.log.bounds('control', P0)).end).toBe(2);
    expect(await platform.store.dueTimers(P0, platform.time.nowMs(), 10)).toEqual([]);
    await stop(platform, region);
  });

  it('survive their worker', async () => {
    const platform = new CalmPlatform();
    const region = platform.region({ model: armingModel(2_000) });
    region.start();
    await platform.appendMessages('control', [report(1)]);
    await platform.caughtUp();
    await stop(platform, region);
    await platform.time.advance(60_000);
    const successor = platform.region({ model: armingModel(2_000) });
    successor.start();
    await platform.until('the timer fired', async () => (await platform.log.bounds('control', P0)).end === 2);
    await platform.caughtUp();
    expect(await platform.store.dueTimers(P0, platform.time.nowMs(), 10)).toEqual([]);
    await stop(platform, successor);
  });
});

describe('the outbox', () => {
  it('is dispatched again until somebody confirms, and no longer', async () => {
    const platform = new CalmPlatform();
    const region = platform.region({ limits: { outboxRetryMs: 500, outboxRetryMaxMs: 1_000 } });
    region.start();
    await platform.appendMessages('control', [opened(), { kind: 'desiredSubscribed' }]);
    await platform.appendMessages('control', [{ kind: 'getTwin' }]);
    await platform.caughtUp();
    const downlinks = (): string[] => platform.dispatched.filter(({ kind }) => kind === 'downlink').map(({ id }) => id);
    await platform.until('the downlink was sent three times', () => downlinks().length >= 3);
    await platform.store.confirmOutbox(P0, [...new Set(downlinks())]);
    await platform.time.advance(3_000);
    const sent = downlinks().length;
    await platform.time.advance(30_000);
    expect(downlinks().length).toBe(sent);
    expect(region.status.outboxEntries).toBe(0);
    await stop(platform, region);
  });

  it('holds its shard back when it is full, and lets it go on when it is not', async () => {
    const platform = new CalmPlatform();
    const region = platform.region({ limits: { outboxPerShardMax: 10, recordsPerBatchMax: 5 } });
    region.start();
    await platform.appendMessages('control', [opened(), { kind: 'desiredSubscribed' }]);
    for (let number = 0; number < 40; number++) await platform.appendMessages('control', [{ kind: 'getTwin' }]);
    await platform.time.advance(5_000);
    expect((await platform.store.ledger(P0)).positions.control).toBeLessThan(25);
    const confirming = platform.store;
    await platform.until('all of it was applied', async () => {
      await confirming.confirmOutbox(
        P0,
        (await confirming.outbox(P0, 100)).map(({ id }) => id),
      );
      return (await confirming.ledger(P0)).positions.control === 42;
    });
    await stop(platform, region);
  });
});

describe('shards move', () => {
  it('to a worker that joins and back from one that leaves, and every record counts once', async () => {
    const platform = new CalmPlatform({ partitionCount: 8 });
    const [one, two] = [platform.region(), platform.region()];
    one.start();
    await platform.until('the first has all', () => one.status.partitions.length === 8);
    two.start();
    await platform.until('each has its share', () => shares(one, two) === '4/4');
    for (let number = 0; number < 8; number++) {
      await platform.appendLines(
        'control',
        [platform.line(report(number), { device: `d${number}` })],
        number as Partition,
      );
    }
    const leaving = two.stop();
    await platform.until('the first has all again', () => shares(one, two) === '8/0');
    await leaving;
    for (let number = 0; number < 8; number++) {
      await platform.caughtUp(number as Partition);
      expect((await platform.store.ledger(number as Partition)).counts.control).toEqual({ applied: 1 });
    }
    expect(platform.ends.filter((end) => !end.endsWith('handedOff'))).toEqual([]);
    await stop(platform, one);
  });
});

describe('a planned move', () => {
  it('leaves a shard without an owner no longer than the next owner rests between two questions', async () => {
    const { acquireRetryMs, heartbeatMs } = DEFAULT_RUNTIME_LIMITS;
    const platform = new CalmPlatform({ partitionCount: PARTITIONS_MANY });
    const pauses = new ShardPauses(platform.time);
    const regions: ShardRegion[] = [];
    const settled = (): boolean =>
      regions.every(({ status }) => status.partitions.length >= Math.floor(PARTITIONS_MANY / regions.length));
    // Each joins, and then each leaves, at another moment between the heartbeats of the others.
    for (const moment of [0.1, 0.5, 0.9, 0.3, 0.7]) {
      // The rest after a hand-over sets a member's rhythm: with the same rest all would soon look at the same time.
      const region = platform.region({ observer: pauses.observer, limits: { retakeMs: heartbeatMs * moment } });
      region.start();
      regions.push(region);
      await platform.until('all have their share', settled);
      await platform.time.advance(heartbeatMs * (3 + moment));
    }
    while (regions.length > 1) {
      await stop(platform, regions.shift()!);
      await platform.until('all have their share again', settled);
      await platform.time.advance(heartbeatMs * 3.4);
    }
    expect(pauses.moves).toBeGreaterThan(30);
    expect(pauses.longestMs).toBeLessThanOrEqual(acquireRetryMs + PAUSE_SLACK_MS);
    await stop(platform, regions[0]!);
  });

  it('costs one call for all the leases of a member, and none for those that it asked for just now', async () => {
    const platform = new CalmPlatform({ partitionCount: 64 });
    const asked: number[] = [];
    const leases = {
      ...portOf(platform.leases),
      acquire: (partitions: readonly Partition[], memberId: string, ttlMs: number) => {
        asked.push(partitions.length);
        return platform.leases.acquire(partitions, memberId, ttlMs);
      },
    };
    await platform.leases.acquire([P0], 'somebody else', 3_000);
    const member = { memberId: 'counted', partitionCount: 64, leaseTtlMs: 5 * DEFAULT_RUNTIME_LIMITS.heartbeatMs };
    const region = platform.region({ membership: new LeasedMembership({ ...member, leases, clock: platform.time }) });
    region.start();
    await platform.time.advance(3_500);
    expect(region.status.partitions.length).toBe(64);
    // Twice in a heartbeat at most all are asked for; in between only the one that is missing.
    expect(asked.filter((count) => count > 1).length).toBeLessThanOrEqual(7);
    expect(asked.filter((count) => count === 1).length).toBeGreaterThan(8);
    await stop(platform, region);
  });
});

describe('the session reaper', () => {
  it('ends sessions of dead gateways through the log, and nobody within the first lease time', async () => {
    const platform = new CalmPlatform();
    const region = platform.region();
    region.start();
    const { directory, time } = platform;
    await directory.registerGateway('lives', 1_000_000);
    const dead = await directory.open(P0, KEY, 'dead');
    const other = 'default/d2' as DeviceKey;
    await directory.open(P0, other, 'lives');
    await platform.appendMessages('control', [opened()], { sessionEpoch: dead.sessionEpoch });
    await platform.appendMessages('control', [opened()], { device: 'd2' });
    await platform.caughtUp();
    const end = new AbortController();
    const reaper = new SessionReaper({
      directory,
      log: platform.log,
      store: platform.store,
      input: { appendRecords: (partition, records) => platform.appendInput(partition, records) },
      partitions: () => region.status.partitions,
      clock: time,
      observer: { failed: () => {} },
      limits: { gatewayLeaseMs: 6_000 },
    });
    const running = reaper.run(end.signal);
    await time.advance(5_000);
    expect((await platform.log.bounds('control', P0)).end).toBe(2);
    await time.advance(5_000);
    expect((await platform.log.bounds('control', P0)).end).toBe(3);
    expect((await directory.find(P0, [KEY, other])).map((entry) => entry?.gatewayId ?? null)).toEqual([null, 'lives']);
    await platform.caughtUp();
    const { state } = await platform.store.read(P0, KEY);
    expect(twinModel.parseTwin(String(state)).presence).toMatchObject({ connected: false, reason: 'gatewayLost' });
    const late = { lane: 'control', partition: P0, producerId: 'dead', seq: 1, body: 'x', recordCount: 1 } as const;
    expect(await platform.log.append([late])).toEqual([{ kind: 'refused', code: 'PRODUCER_FENCED' }]);
    end.abort();
    await running;
    await stop(platform, region);
  });
});

async function expectKept(seed: number): Promise<void> {
  expect((await simulate({ seed })).violations).toEqual([]);
}

async function stop(platform: CalmPlatform, region: { stop(): Promise<void> }): Promise<void> {
  let stopped = false;
  const stopping = region.stop().then(() => {
    stopped = true;
  });
  await platform.until('the region stopped', () => stopped);
  await stopping;
}

function portOf(leases: PartitionLeases): PartitionLeases {
  return {
    heartbeat: (memberId, ttlMs) => leases.heartbeat(memberId, ttlMs),
    acquire: (partitions, memberId, ttlMs) => leases.acquire(partitions, memberId, ttlMs),
    release: (partition, memberId) => leases.release(partition, memberId),
    held: (partitions) => leases.held(partitions),
    leave: (memberId) => leases.leave(memberId),
  };
}

function shares(...regions: { readonly status: { readonly partitions: readonly Partition[] } }[]): string {
  return regions.map(({ status }) => status.partitions.length).join('/');
}

function report(number: number) {
  return { kind: 'reportState', patch: { number } } as const;
}

function opened() {
  return { kind: 'sessionOpened', gatewayId: 'gateway', protocol: 'mqtt5' } as const;
}

function telemetry(number: number) {
  return { kind: 'telemetry', points: [{ tsMs: number, values: new Map([['number', number]]) }] } as const;
}

/** A twin that cannot be stored once it has reported this number. */
function fragileModel(number: number): TwinModel {
  return {
    ...twinModel,
    serializeTwin: (state) => {
      if (state.reported['number'] === number) throw new Error('this twin must not be');
      return twinModel.serializeTwin(state);
    },
  };
}

/** A twin that sets a timer with every report. */
function armingModel(afterMs: number): TwinModel {
  return {
    ...twinModel,
    applyMessage: (state, message, context) => {
      const applied = twinModel.applyMessage(state, message, context);
      if (message.kind !== 'reportState') return applied;
      const dueAtMs = context.nowMs + afterMs;
      return { ...applied, effects: [...applied.effects, { kind: 'timerSet', timerId: 't', generation: 1, dueAtMs }] };
    },
  };
}

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceKey, Epoch, LogId, Offset, Partition } from '@breakwater/twin';

import type {
  CommitResult,
  LanePositions,
  Ownership,
  ShardCommit,
  TwinCopier,
  TwinStore,
} from '../ports/twin-store.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

/** Caps small enough for a test to reach. */
export interface TwinStoreContractOptions {
  /** Bytes of twin states and outbox payloads that one commit may carry. */
  readonly commitBytesMax: number;
}

const OPTIONS: TwinStoreContractOptions = { commitBytesMax: 256 * 1024 };
const P0 = 0 as Partition;
const P1 = 1 as Partition;
const LOG_ID = 'log-1' as LogId;
const KEY = 'default/d1' as DeviceKey;
const OTHER = 'default/d2' as DeviceKey;
const OUTBOX_LIMIT = 100;

/** What every twin store must do. `make` answers an empty store with at least two partitions. */
export function twinStoreContract(
  name: string,
  maker: HarnessMaker<TwinStore & TwinCopier, TwinStoreContractOptions>,
): void {
  describe(`twin store contract: ${name}`, () => {
    let harness: ContractHarness<TwinStore & TwinCopier>;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
    });
    afterEach(() => harness.cleanup());
    const current = (): TwinStore & TwinCopier => harness.port;
    ownership(current);
    attempts(current);
    commits(current);
    refusals(current);
    outboxAndTimers(current);
    readingTwins(current);
  });
}

function ownership(current: () => TwinStore): void {
  it('starts at position 0 with no log', async () => {
    const owned = await current().takeOwnership(P0, 'worker-a');
    expect(owned).toMatchObject({ positions: at(0, 0), logId: null, attempts: 1 });
    expect(owned.epoch.length).toBeGreaterThan(0);
  });

  it('gives each period of ownership another epoch, and refuses the older ones', async () => {
    const store = current();
    const first = await store.takeOwnership(P0, 'worker-a');
    const second = await store.takeOwnership(P0, 'worker-a');
    expect(second.epoch).not.toBe(first.epoch);
    expect(await commit(store, step(first, { next: at(0, 1) }))).toEqual(refused('STALE_EPOCH'));
    expect(await commit(store, step(second, { next: at(0, 1) }))).toEqual({ kind: 'committed' });
  });

  it('keeps partitions apart', async () => {
    const store = current();
    const zero = await store.takeOwnership(P0, 'worker-a');
    const one = await store.takeOwnership(P1, 'worker-b');
    const results = await store.commit([
      step(zero, { next: at(0, 2) }),
      { ...step(one, { next: at(1, 0) }), partition: P1 },
    ]);
    expect(results).toEqual([{ kind: 'committed' }, { kind: 'committed' }]);
    expect((await store.ledger(P0)).positions).toEqual(at(0, 2));
    expect((await store.ledger(P1)).positions).toEqual(at(1, 0));
  });

  it('answers the committed positions and their log to the next owner', async () => {
    const store = current();
    const first = await store.takeOwnership(P0, 'worker-a');
    await commit(store, step(first, { next: at(3, 5) }));
    const next = await store.takeOwnership(P0, 'worker-b');
    expect(next).toMatchObject({ positions: at(3, 5), logId: LOG_ID });
  });
}

function attempts(current: () => TwinStore): void {
  it('counts ownership periods that started at the same positions', async () => {
    const store = current();
    await store.takeOwnership(P0, 'worker-a');
    expect((await store.takeOwnership(P0, 'worker-b')).attempts).toBe(2);
    const third = await store.takeOwnership(P0, 'worker-a');
    expect(third.attempts).toBe(3);
    await commit(store, step(third, { next: at(0, 1) }));
    expect((await store.takeOwnership(P0, 'worker-b')).attempts).toBe(1);
    expect((await store.takeOwnership(P0, 'worker-b')).attempts).toBe(2);
  });

  it('counts the processes that tried one record, and forgets them when another is tried', async () => {
    const store = current();
    const at7 = { lane: 'control', offset: 7 as Offset, processId: 'a' } as const;
    const first = await store.takeOwnership(P0, 'worker-a');
    expect(await store.noteAttempt(P0, first.epoch, at7)).toBe(1);
    expect(await store.noteAttempt(P0, first.epoch, at7)).toBe(1);
    const again = await store.takeOwnership(P0, 'worker-a');
    expect(await store.noteAttempt(P0, again.epoch, at7)).toBe(1);
    const second = await store.takeOwnership(P0, 'worker-b');
    expect(await store.noteAttempt(P0, second.epoch, { ...at7, processId: 'b' })).toBe(2);
    expect(await store.noteAttempt(P0, first.epoch, { ...at7, processId: 'c' })).toBe(0);
    expect(await store.noteAttempt(P0, second.epoch, { ...at7, processId: 'c' })).toBe(3);
    expect(await store.noteAttempt(P0, second.epoch, { ...at7, lane: 'telemetry' })).toBe(1);
    expect(await store.noteAttempt(P0, second.epoch, { ...at7, lane: 'telemetry', offset: 8 as Offset })).toBe(1);
  });
}

function commits(current: () => TwinStore): void {
  it('stores everything of a commit together', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    const whole = step(owned, {
      next: at(1, 2),
      twins: [write(KEY, 0, '{"n":1}'), write(OTHER, 0, '{"n":2}')],
      outbox: [{ id: 'control:0:0', kind: 'downlink', key: KEY, payload: '{"p":1}' }],
      timers: [{ key: KEY, timerId: 'stale', generation: 1, dueAtMs: 50 }],
      counts: { control: { applied: 1 }, telemetry: { noop: 1, dead: 1 } },
    });
    expect(await commit(store, whole)).toEqual({ kind: 'committed' });
    expect(await store.load(P0, [OTHER, KEY])).toEqual([
      { key: OTHER, revision: 1, state: '{"n":2}' },
      { key: KEY, revision: 1, state: '{"n":1}' },
    ]);
    expect(await store.outbox(P0, OUTBOX_LIMIT)).toEqual(whole.outbox);
    expect(await store.dueTimers(P0, 50, 10)).toEqual([{ key: KEY, timerId: 'stale', generation: 1, dueAtMs: 50 }]);
    expect(await store.ledger(P0)).toEqual({ positions: at(1, 2), counts: whole.counts });
  });

  it('counts revisions up by one per write', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    await commit(store, step(owned, { next: at(0, 1), twins: [write(KEY, 0, 'one')] }));
    await commit(store, step(owned, { from: at(0, 1), next: at(0, 2), twins: [write(KEY, 1, 'two')] }));
    expect(await store.load(P0, [KEY])).toEqual([{ key: KEY, revision: 2, state: 'two' }]);
  });

  it('writes the telemetry of a twin alone, as often as the twin changes', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    const measured = (expectedRevision: number, telemetry: string) => ({ key: KEY, expectedRevision, telemetry });
    let telemetry = 0;
    const next = async (...twins: ShardCommit['twins']): Promise<CommitResult> =>
      commit(store, step(owned, { from: at(0, telemetry), next: at(0, ++telemetry), twins }));
    await next(write(KEY, 0, 'document\n[1]'), write(OTHER, 0, 'no telemetry'));
    await next(measured(1, '[2]'));
    expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: 2, state: 'document\n[2]' });
    await next(measured(2, '[3]'), { key: OTHER, expectedRevision: 1, telemetry: '[4]\n"€😀"' });
    expect(await store.load(P0, [OTHER, KEY])).toEqual([
      { key: OTHER, revision: 2, state: 'no telemetry\n[4]\n"€😀"' },
      { key: KEY, revision: 3, state: 'document\n[3]' },
    ]);
    await next(write(KEY, 3, 'another document'), write(OTHER, 2, null));
    expect(await store.load(P0, [KEY, OTHER])).toEqual([
      { key: KEY, revision: 4, state: 'another document' },
      { key: OTHER, revision: 0, state: null },
    ]);
    const stale = step(owned, { from: at(0, telemetry), next: at(0, 9), twins: [measured(3, 'lost')] });
    expect(await commit(store, stale)).toEqual(refused('REVISION_MISMATCH'));
    expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: 4, state: 'another document' });
  });

  it('deletes a twin, whose next life starts at revision 0', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    await commit(store, step(owned, { next: at(1, 0), twins: [write(KEY, 0, 'one')] }));
    await commit(store, step(owned, { from: at(1, 0), next: at(2, 0), twins: [write(KEY, 1, null)] }));
    expect(await store.load(P0, [KEY])).toEqual([{ key: KEY, revision: 0, state: null }]);
    const again = step(owned, { from: at(2, 0), next: at(3, 0), twins: [write(KEY, 0, 'new')] });
    expect(await commit(store, again)).toEqual({ kind: 'committed' });
    expect(await store.load(P0, [KEY])).toEqual([{ key: KEY, revision: 1, state: 'new' }]);
  });

  it('adds up the ledger, whose sums are the positions', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    await commit(
      store,
      step(owned, { next: at(1, 3), counts: { control: { applied: 1 }, telemetry: { applied: 2, dead: 1 } } }),
    );
    const more = { control: { superseded: 1 }, telemetry: { applied: 1, noop: 1 } };
    await commit(store, step(owned, { from: at(1, 3), next: at(2, 5), counts: more }));
    expect(await store.ledger(P0)).toEqual({
      positions: at(2, 5),
      counts: { control: { applied: 1, superseded: 1 }, telemetry: { applied: 3, dead: 1, noop: 1 } },
    });
  });

  it('adds up the ledger of each tenant, and tells the next owner which ones it has', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    expect(owned.tenants).toEqual([]);
    const first = { control: {}, telemetry: { applied: 3 } };
    const tenants = { control: {}, telemetry: { acme: { applied: 1 }, '(others)': { applied: 2 } } };
    await commit(store, step(owned, { next: at(0, 3), counts: first, tenants }));
    const more = { control: { noop: 1 }, telemetry: { applied: 1 } };
    const ofMore = { control: { acme: { noop: 1 } }, telemetry: { acme: { applied: 1 } } };
    await commit(store, step(owned, { from: at(0, 3), next: at(1, 4), counts: more, tenants: ofMore }));
    expect(await store.tenantLedger(P0)).toEqual({
      logId: LOG_ID,
      positions: at(1, 4),
      counts: { control: { noop: 1 }, telemetry: { applied: 4 } },
      tenants: { control: { acme: { noop: 1 } }, telemetry: { acme: { applied: 2 }, '(others)': { applied: 2 } } },
    });
    expect([...(await store.takeOwnership(P0, 'worker-b')).tenants].sort()).toEqual(['(others)', 'acme']);
  });

  it('stores bytes as they are given', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    const state = JSON.stringify({ text: 'ä\u0000\n"€😀', nested: { empty: '' } });
    await commit(store, step(owned, { next: at(0, 1), twins: [write(KEY, 0, state)] }));
    expect((await store.read(P0, KEY)).state).toBe(state);
  });

  it('carries a thousand twins in one commit', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    const keys = Array.from({ length: 1_000 }, (_, index) => `default/many-${index}` as DeviceKey);
    const twins = keys.map((key) => write(key, 0, key));
    expect(await commit(store, step(owned, { next: at(0, 1_000), twins }))).toEqual({ kind: 'committed' });
    const loaded = await store.load(P0, keys);
    expect(loaded.map((twin) => twin.state)).toEqual(keys);
  });
}

function refusals(current: () => TwinStore): void {
  const full = (owned: Ownership): Partial<StepOptions> & { next: LanePositions } => ({
    from: at(1, 1),
    next: at(1, 2),
    twins: [write(OTHER, 0, 'new'), write(KEY, 1, 'changed')],
    outbox: [{ id: 'telemetry:1:0', kind: 'change', key: KEY, payload: owned.epoch }],
    timers: [{ key: KEY, timerId: 'stale', generation: 9, dueAtMs: 1 }],
  });
  const prepared = async (): Promise<Ownership> => {
    const owned = await current().takeOwnership(P0, 'worker-a');
    await commit(current(), step(owned, { next: at(1, 1), twins: [write(KEY, 0, 'first')] }));
    return owned;
  };
  const expectUnchanged = async (): Promise<void> => {
    const store = current();
    expect(await store.load(P0, [KEY, OTHER])).toEqual([
      { key: KEY, revision: 1, state: 'first' },
      { key: OTHER, revision: 0, state: null },
    ]);
    expect(await store.outbox(P0, OUTBOX_LIMIT)).toEqual([]);
    expect(await store.dueTimers(P0, 1_000, 10)).toEqual([]);
    expect((await store.ledger(P0)).positions).toEqual(at(1, 1));
    expect((await store.ledger(P0)).counts).toEqual({ control: { applied: 1 }, telemetry: { applied: 1 } });
  };

  it('changes nothing when the epoch is stale', async () => {
    const owned = await prepared();
    await current().takeOwnership(P0, 'worker-b');
    expect(await commit(current(), step(owned, full(owned)))).toEqual(refused('STALE_EPOCH'));
    await expectUnchanged();
  });

  it('refuses an epoch when nobody ever owned the partition', async () => {
    const nobody = { epoch: '1:invented' as Epoch, positions: at(0, 0), logId: null, attempts: 1, tenants: [] };
    expect(await commit(current(), step(nobody, { next: at(0, 1) }))).toEqual(refused('STALE_EPOCH'));
  });

  it('changes nothing when a position is not the expected one, in either lane', async () => {
    const owned = await prepared();
    for (const from of [at(0, 1), at(1, 0), at(2, 1), at(1, 2)]) {
      const wrong = step(owned, { ...full(owned), from, next: at(from.control, from.telemetry + 1) });
      expect(await commit(current(), wrong)).toEqual(refused('POSITION_MISMATCH'));
    }
    await expectUnchanged();
  });

  it('refuses the same commit a second time', async () => {
    const owned = await current().takeOwnership(P0, 'worker-a');
    const once = step(owned, { next: at(1, 1), twins: [write(KEY, 0, 'first')] });
    expect(await commit(current(), once)).toEqual({ kind: 'committed' });
    expect(await commit(current(), once)).toEqual(refused('POSITION_MISMATCH'));
    await expectUnchanged();
  });

  it('changes nothing when one twin has another revision, even the last', async () => {
    const owned = await prepared();
    for (const stale of [write(KEY, 0, 'lost'), write(KEY, 2, 'lost'), write(KEY, 0, null)]) {
      const wrong = step(owned, { ...full(owned), twins: [write(OTHER, 0, 'new'), stale] });
      expect(await commit(current(), wrong)).toEqual(refused('REVISION_MISMATCH'));
    }
    await expectUnchanged();
  });

  it('changes nothing when the log is another one', async () => {
    const owned = await prepared();
    const wrong = { ...step(owned, full(owned)), logId: 'log-2' as LogId };
    expect(await commit(current(), wrong)).toEqual(refused('LOG_CHANGED'));
    await expectUnchanged();
  });

  it('changes nothing when the commit is too large', async () => {
    const owned = await prepared();
    const large = 'x'.repeat(OPTIONS.commitBytesMax + 1);
    const wrong = step(owned, { ...full(owned), twins: [write(OTHER, 0, 'new'), write(KEY, 1, large)] });
    expect(await commit(current(), wrong)).toEqual(refused('COMMIT_TOO_LARGE'));
    await expectUnchanged();
  });

  it('refuses one shard of a call and commits the others', async () => {
    const store = current();
    const zero = await store.takeOwnership(P0, 'worker-a');
    const one = await store.takeOwnership(P1, 'worker-a');
    await store.takeOwnership(P0, 'worker-b');
    const results = await store.commit([
      step(zero, { next: at(0, 1) }),
      { ...step(one, { next: at(0, 1) }), partition: P1 },
    ]);
    expect(results).toEqual([refused('STALE_EPOCH'), { kind: 'committed' }]);
  });
}

function outboxAndTimers(current: () => TwinStore): void {
  it('keeps the outbox in order until each entry is confirmed', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    const entry = (offset: number) =>
      ({ id: `control:${offset}:0`, kind: 'change', key: KEY, payload: `${offset}` }) as const;
    await commit(store, step(owned, { next: at(2, 0), outbox: [entry(0), entry(1)] }));
    await commit(store, step(owned, { from: at(2, 0), next: at(11, 0), outbox: [entry(9), entry(10)] }));
    const ids = async (limit: number): Promise<string[]> => (await store.outbox(P0, limit)).map(({ id }) => id);
    expect(await ids(OUTBOX_LIMIT)).toEqual(['control:0:0', 'control:1:0', 'control:9:0', 'control:10:0']);
    expect(await ids(2)).toEqual(['control:0:0', 'control:1:0']);
    await store.confirmOutbox(P0, ['control:1:0', 'control:9:0', 'unknown']);
    expect(await ids(OUTBOX_LIMIT)).toEqual(['control:0:0', 'control:10:0']);
    await store.takeOwnership(P0, 'worker-b');
    await store.confirmOutbox(P0, ['control:0:0', 'control:10:0']);
    expect(await ids(OUTBOX_LIMIT)).toEqual([]);
  });

  it('answers due timers, earliest first', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    const timers = [300, 100, 200].map((dueAtMs) => ({ key: KEY, timerId: `t${dueAtMs}`, generation: 1, dueAtMs }));
    await commit(store, step(owned, { next: at(1, 0), timers }));
    expect((await store.dueTimers(P0, 99, 10)).length).toBe(0);
    expect((await store.dueTimers(P0, 200, 10)).map(({ timerId }) => timerId)).toEqual(['t100', 't200']);
    expect((await store.dueTimers(P0, 1_000, 1)).map(({ timerId }) => timerId)).toEqual(['t100']);
  });

  it('replaces a timer, and removes it unless a higher generation was set', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    let control = 0;
    const set = async (generation: number, dueAtMs: number | null): Promise<void> => {
      const timers = [{ key: KEY, timerId: 't', generation, dueAtMs }];
      await commit(store, step(owned, { from: at(control, 0), next: at(++control, 0), timers }));
    };
    await set(1, 10);
    await set(2, 20);
    expect(await store.dueTimers(P0, 15, 10)).toEqual([]);
    await set(1, null);
    expect(await store.dueTimers(P0, 50, 10)).toEqual([{ key: KEY, timerId: 't', generation: 2, dueAtMs: 20 }]);
    await set(2, null);
    expect(await store.dueTimers(P0, 50, 10)).toEqual([]);
    await set(3, 30);
    await set(Number.MAX_SAFE_INTEGER, null);
    expect(await store.dueTimers(P0, 50, 10)).toEqual([]);
  });
}

function readingTwins(current: () => TwinStore & TwinCopier): void {
  it('answers a twin that is not there as revision 0 without state', async () => {
    const nothing = { key: KEY, revision: 0, state: null };
    expect(await current().read(P0, KEY)).toEqual(nothing);
    expect(await current().load(P0, [KEY, OTHER])).toEqual([nothing, { ...nothing, key: OTHER }]);
    expect(await current().load(P0, [])).toEqual([]);
  });

  it('shows readers what is committed', async () => {
    const store = current();
    const owned = await store.takeOwnership(P0, 'worker-a');
    await commit(store, step(owned, { next: at(0, 1), twins: [write(KEY, 0, 'one')] }));
    expect(await store.read(P0, KEY)).toEqual({ key: KEY, revision: 1, state: 'one' });
  });

  it('copies twins with the positions that produced them', async () => {
    const store = current();
    const nothingYet = { logId: null, positions: at(0, 0), twins: [{ key: KEY, revision: 0, state: null }] };
    expect(await store.copy(P0, [KEY])).toEqual(nothingYet);
    const owned = await store.takeOwnership(P0, 'worker-a');
    await commit(store, step(owned, { next: at(2, 1), twins: [write(KEY, 0, 'one')] }));
    expect(await store.copy(P0, [OTHER, KEY])).toEqual({
      logId: LOG_ID,
      positions: at(2, 1),
      twins: [
        { key: OTHER, revision: 0, state: null },
        { key: KEY, revision: 1, state: 'one' },
      ],
    });
  });

  it('has an empty ledger before the first commit', async () => {
    expect(await current().ledger(P1)).toEqual({ positions: at(0, 0), counts: { control: {}, telemetry: {} } });
  });
}

interface StepOptions {
  readonly from: LanePositions;
  readonly next: LanePositions;
  readonly twins: ShardCommit['twins'];
  readonly outbox: ShardCommit['outbox'];
  readonly timers: ShardCommit['timers'];
  readonly counts: ShardCommit['counts'];
  readonly tenants: ShardCommit['tenants'];
}

/** A commit from the ownership's positions; its counts are `applied` unless told. */
function step(owned: Ownership, options: Partial<StepOptions> & { next: LanePositions }): ShardCommit {
  const from = options.from ?? owned.positions;
  const counts = options.counts ?? {
    control: appliedCount(options.next.control - from.control),
    telemetry: appliedCount(options.next.telemetry - from.telemetry),
  };
  return {
    partition: P0,
    epoch: owned.epoch,
    logId: LOG_ID,
    expected: from,
    next: options.next,
    twins: options.twins ?? [],
    outbox: options.outbox ?? [],
    timers: options.timers ?? [],
    counts,
    tenants: options.tenants ?? { control: { default: counts.control }, telemetry: { default: counts.telemetry } },
  };
}

function appliedCount(records: number): { applied?: number } {
  return records === 0 ? {} : { applied: records };
}

function at(control: number, telemetry: number): LanePositions {
  return { control: control as Offset, telemetry: telemetry as Offset };
}

function write(key: DeviceKey, expectedRevision: number, state: string | null): ShardCommit['twins'][number] {
  return { key, expectedRevision, state };
}

async function commit(store: TwinStore, shardCommit: ShardCommit): Promise<CommitResult> {
  const [result] = await store.commit([shardCommit]);
  if (result === undefined) throw new Error('commit answered nothing');
  return result;
}

function refused(code: string): CommitResult {
  return { kind: 'refused', code } as CommitResult;
}

import {
  assert,
  type DeviceKey,
  type Epoch,
  type LogId,
  type Offset,
  type Partition,
  type RecordOutcome,
} from '@breakwater/twin';
import {
  type CommitResult,
  type DueTimer,
  type Lane,
  LANES,
  type LanePositions,
  type OutboxEntry,
  type OutcomeCounts,
  type Ownership,
  type RecordAttempt,
  SECTION_END,
  type ShardCommit,
  type ShardCopy,
  type ShardLedger,
  type StoredTwin,
  type TenantCounts,
  type TenantLedger,
  type TimerWrite,
  type TwinCopier,
  type TwinWrite,
  type TwinStore,
} from '@breakwater/twin-runtime';

export interface MemoryTwinStoreOptions {
  readonly commitBytesMax?: number;
}

const COMMIT_BYTES_MAX = 8 * 1024 * 1024;

type Refusal = Extract<CommitResult, { kind: 'refused' }>['code'];

interface ShardData {
  epoch: Epoch | null;
  epochCount: number;
  logId: LogId | null;
  positions: LanePositions;
  startedAt: LanePositions | null;
  attempts: number;
  attempted: (RecordAttempt & { readonly count: number }) | null;
  readonly twins: Map<DeviceKey, { revision: number; state: string }>;
  readonly outbox: Map<string, OutboxEntry>;
  readonly timers: Map<string, DueTimer>;
  readonly counts: Record<Lane, OutcomeCounts>;
  readonly tenants: Record<Lane, TenantCounts>;
}

/**
 * The twin store in memory, and the reference for every other one. A commit is first checked as a whole and then
 * written as a whole; between the two nothing can fail, so a refused commit leaves no trace.
 */
export class MemoryTwinStore implements TwinStore, TwinCopier {
  readonly #commitBytesMax: number;
  readonly #shards = new Map<Partition, ShardData>();

  constructor(options: MemoryTwinStoreOptions = {}) {
    this.#commitBytesMax = options.commitBytesMax ?? COMMIT_BYTES_MAX;
  }

  async takeOwnership(partition: Partition, ownerId: string): Promise<Ownership> {
    const shard = this.#shard(partition);
    const epoch = `${++shard.epochCount}:${ownerId}` as Epoch;
    shard.epoch = epoch;
    shard.attempts = samePositions(shard.startedAt, shard.positions) ? shard.attempts + 1 : 1;
    shard.startedAt = shard.positions;
    const tenants = [...new Set(LANES.flatMap((lane) => Object.keys(shard.tenants[lane])))];
    return { epoch, positions: shard.positions, logId: shard.logId, attempts: shard.attempts, tenants };
  }

  async noteAttempt(partition: Partition, epoch: Epoch, attempt: RecordAttempt): Promise<number> {
    const shard = this.#shard(partition);
    if (shard.epoch !== epoch) return 0;
    const before = shard.attempted;
    const isSame = before?.lane === attempt.lane && before.offset === attempt.offset;
    if (isSame && before.processId === attempt.processId) return before.count;
    const count = isSame ? before.count + 1 : 1;
    shard.attempted = { ...attempt, count };
    return count;
  }

  async load(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly StoredTwin[]> {
    return keys.map((key) => this.#stored(partition, key));
  }

  async copy(partition: Partition, keys: readonly DeviceKey[]): Promise<ShardCopy> {
    const { logId, positions } = this.#shard(partition);
    return { logId, positions, twins: keys.map((key) => this.#stored(partition, key)) };
  }

  async commit(commits: readonly ShardCommit[]): Promise<readonly CommitResult[]> {
    return commits.map((commit) => {
      const code = this.check(commit);
      if (code !== null) return { kind: 'refused', code };
      this.#write(commit);
      return { kind: 'committed' };
    });
  }

  async outbox(partition: Partition, limit: number): Promise<readonly OutboxEntry[]> {
    return [...this.#shard(partition).outbox.values()].slice(0, limit);
  }

  async confirmOutbox(partition: Partition, ids: readonly string[]): Promise<void> {
    const { outbox } = this.#shard(partition);
    for (const id of ids) outbox.delete(id);
  }

  async dueTimers(partition: Partition, nowMs: number, limit: number): Promise<readonly DueTimer[]> {
    const due = [...this.#shard(partition).timers.values()].filter((timer) => timer.dueAtMs <= nowMs);
    return due.sort((left, right) => left.dueAtMs - right.dueAtMs).slice(0, limit);
  }

  async ledger(partition: Partition): Promise<ShardLedger> {
    const { positions, counts } = this.#shard(partition);
    return { positions, counts: { control: { ...counts.control }, telemetry: { ...counts.telemetry } } };
  }

  async tenantLedger(partition: Partition): Promise<TenantLedger> {
    const { logId, tenants } = this.#shard(partition);
    return { ...(await this.ledger(partition)), logId, tenants: { ...tenants } };
  }

  async read(partition: Partition, key: DeviceKey): Promise<StoredTwin> {
    return this.#stored(partition, key);
  }

  /**
   * Why a commit must be refused, or null. A method of its own so that a test can take one check away and show that
   * the simulation notices.
   */
  protected check(commit: ShardCommit): Refusal | null {
    const shard = this.#shard(commit.partition);
    if (shard.epoch !== commit.epoch) return 'STALE_EPOCH';
    if (shard.logId !== null && shard.logId !== commit.logId) return 'LOG_CHANGED';
    if (!samePositions(shard.positions, commit.expected)) return 'POSITION_MISMATCH';
    for (const { key, expectedRevision } of commit.twins) {
      if ((shard.twins.get(key)?.revision ?? 0) !== expectedRevision) return 'REVISION_MISMATCH';
    }
    return bytesOf(commit) > this.#commitBytesMax ? 'COMMIT_TOO_LARGE' : null;
  }

  #write(commit: ShardCommit): void {
    const shard = this.#shard(commit.partition);
    for (const write of commit.twins) {
      const { key, expectedRevision } = write;
      const state = stateAfter(shard.twins.get(key)?.state, write);
      if (state === null) shard.twins.delete(key);
      else shard.twins.set(key, { revision: expectedRevision + 1, state });
    }
    for (const entry of commit.outbox) shard.outbox.set(entry.id, entry);
    for (const timer of commit.timers) writeTimer(shard.timers, timer);
    for (const lane of LANES) {
      const moved = commit.next[lane] - commit.expected[lane];
      assert(sumOf(commit.counts[lane]) === moved, 'the outcomes of a commit add up to the records it took');
      const ofTenants = Object.values(commit.tenants[lane]).reduce((sum, counts) => sum + sumOf(counts), 0);
      assert(ofTenants === moved, 'the outcomes of all tenants add up to the records of a commit');
      shard.counts[lane] = addCounts(shard.counts[lane], commit.counts[lane]);
      shard.tenants[lane] = addTenants(shard.tenants[lane], commit.tenants[lane]);
    }
    shard.logId = commit.logId;
    shard.positions = commit.next;
  }

  #stored(partition: Partition, key: DeviceKey): StoredTwin {
    const twin = this.#shard(partition).twins.get(key);
    return { key, revision: twin?.revision ?? 0, state: twin?.state ?? null };
  }

  #shard(partition: Partition): ShardData {
    let shard = this.#shards.get(partition);
    if (shard === undefined) {
      shard = {
        epoch: null,
        epochCount: 0,
        logId: null,
        positions: { control: 0 as Offset, telemetry: 0 as Offset },
        startedAt: null,
        attempts: 0,
        attempted: null,
        twins: new Map(),
        outbox: new Map(),
        timers: new Map(),
        counts: { control: {}, telemetry: {} },
        tenants: { control: {}, telemetry: {} },
      };
      this.#shards.set(partition, shard);
    }
    return shard;
  }
}

function stateAfter(before: string | undefined, { state, telemetry }: TwinWrite): string | null {
  if (telemetry === undefined) return state;
  assert(before !== undefined, 'only a twin that is stored has telemetry written alone');
  const [document = ''] = before.split(SECTION_END, 1);
  return `${document}${SECTION_END}${telemetry}`;
}

function samePositions(left: LanePositions | null, right: LanePositions): boolean {
  return left !== null && left.control === right.control && left.telemetry === right.telemetry;
}

function writeTimer(timers: Map<string, DueTimer>, { key, timerId, generation, dueAtMs }: TimerWrite): void {
  const id = `${key} ${timerId}`;
  if (dueAtMs !== null) timers.set(id, { key, timerId, generation, dueAtMs });
  else if ((timers.get(id)?.generation ?? 0) <= generation) timers.delete(id);
}

function sumOf(counts: OutcomeCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function addCounts(left: OutcomeCounts, right: OutcomeCounts): OutcomeCounts {
  const sum: Partial<Record<RecordOutcome, number>> = { ...left };
  for (const [outcome, count] of Object.entries(right) as [RecordOutcome, number][]) {
    sum[outcome] = (sum[outcome] ?? 0) + count;
  }
  return sum;
}

function addTenants(left: TenantCounts, right: TenantCounts): TenantCounts {
  const sum: Record<string, OutcomeCounts> = { ...left };
  for (const [tenant, counts] of Object.entries(right)) sum[tenant] = addCounts(sum[tenant] ?? {}, counts);
  return sum;
}

function bytesOf(commit: ShardCommit): number {
  const states = commit.twins.reduce((sum, { state, telemetry }) => sum + (state ?? telemetry ?? '').length, 0);
  return commit.outbox.reduce((sum, entry) => sum + entry.payload.length, states);
}

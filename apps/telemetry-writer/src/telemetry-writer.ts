import { assert, type LogId, type Offset, type Partition } from '@breakwater/twin';
import { PlatformError, type Clock, type EventLog, type LogOrigin } from '@breakwater/twin-runtime';
import {
  type IngestPlan,
  type LastPlan,
  partitionsOfRange,
  type PlanTenant,
  scopeOf,
  type WriterRange,
} from '@breakwater/adapter-clickhouse';
import type { Logger } from '@breakwater/observability';
import { LIMITS } from '@breakwater/wire';

import { auditStored, type AuditStores } from './audit/audit-stored.ts';
import { carriedOver, carriesWhole } from './carried-over.ts';
import type { CutLimits } from './cut/batch-cutter.ts';
import { DeadLetterQuota } from './cut/dead-letter-quota.ts';
import { HaltedPartitions, haltOf } from './halted-partitions.ts';
import { cutBatch, positionsAfter, type IngestBatch, type WriterState } from './ingest-batch.ts';
import { LogBuffer } from './log-buffer.ts';
import { type DivisionStores, retireOtherDivisions } from './range/retire-chain.ts';
import { chainMark, type PartitionStart, startPositions, startTenants } from './range/start-positions.ts';
import { settlePlan, type SettleStores, WINDOW_SHARE } from './settle/settle-plan.ts';
import { DayInserter } from './store/insert-days.ts';
import { TenantTotals } from './tenant-totals.ts';
import type { WriterMetrics } from './writer-metrics.ts';

/** What the writer needs of ClickHouse beside settling. */
export interface WriterStores extends SettleStores, AuditStores {
  readonly rows: SettleStores['rows'] & AuditStores['rows'];
  readonly plans: SettleStores['plans'] &
    AuditStores['plans'] & {
      takeEpoch(owner: string): Promise<number>;
      lastPlan(): Promise<LastPlan | null>;
      /** Records by tenant since the log of a closed plan began; null when plans of an older build do not say it. */
      tenantTotals(closed: IngestPlan): Promise<readonly PlanTenant[] | null>;
      /** Closes the plan before in the same write. */
      open(plan: IngestPlan, closes: IngestPlan | null): Promise<void>;
    };
  readonly divisions: DivisionStores;
  /** Gives up requests under way, for the end of the process: their plan stays open and the next start settles it. */
  abandon(): void;
  /** Prepares the schema; repeated without effect. */
  prepare(): Promise<void>;
  /** Dead letters by `tenant/day` of today and yesterday. */
  deadLetterCounts(): Promise<ReadonlyMap<string, number>>;
}

export interface TelemetryWriterOptions {
  readonly log: EventLog;
  readonly stores: WriterStores;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: WriterMetrics;
  /** What the log was before it was restored from a backup, oldest first. */
  readonly logOrigins: () => Promise<readonly LogOrigin[]>;
  readonly owner: string;
  readonly partitionCount: number;
  /** The partitions that this writer has: all of them, or one of several ranges. */
  readonly range: WriterRange;
  readonly limits: CutLimits;
  readonly framesMaxPerRead: number;
  readonly roundIntervalMs: number;
  /** What the interval may grow to while ClickHouse is slow. */
  readonly roundIntervalMaxMs: number;
  readonly backoffMaxMs: number;
  readonly deadLettersPerDayMax: number;
  /** Blocks that the tables remember the tokens of. */
  readonly windowBlocks: number;
}

export interface WriterHealth {
  /** The position is known and rounds run. */
  readonly serving: boolean;
  readonly degraded: readonly { readonly part: string; readonly detail: string }[];
}

const REFUSED = 'INSERT_REFUSED';
const MISMATCH = 'ROWS_MISMATCH';
const VERSION_UNKNOWN = 'RECORD_VERSION_UNKNOWN';
const DAY_MS = 86_400_000;
/** How long a stop waits for an insert under way; less than the process or its supervisor waits for the stop. */
const STOP_PATIENCE_MS = 5_000;
const BACKOFF_FIRST_MS = 100;
/** Bytes of the log that are held in memory, as a multiple of one batch. */
export const BUFFER_BATCHES = 2;
/** A round that took so long lets so many times as long pass from its beginning to the next one's. */
const ROUND_REST = 4;
/** Once in so long it is asked whether a partition that waits for an operator may go on. */
const HALTED_QUESTION_MS = 2_000;
/** The block counter is asked for once in so many plans; in between the older value only makes the check stricter. */
const PLANS_PER_BLOCK_MARK = 64;

interface Session {
  readonly buffer: LogBuffer;
  readonly quota: DeadLetterQuota;
  state: WriterState;
  /** A plan whose rows are all stored, and which is closed with the next one or as soon as there is nothing to do. */
  unclosed: IngestPlan | null;
  /** When the operator's word for halted partitions is looked for next. */
  askAtMs: number;
  /** Whether the log had more when the last round was cut. */
  isBehind: boolean;
}

/** Rounds that may be held at once: the one that is stored, and the one after it. */
const ROUNDS_HELD_MAX = 2;

/**
 * Every record of the telemetry lane is stored once. The plan of an insert is stored before its first row and is the
 * writer's position; after a failure, whatever it was, the same plan is repeated under the same tokens until it is
 * confirmed, and only then comes the next. Nothing else here may insert (ADR 0005).
 */
export class TelemetryWriter {
  readonly #options: TelemetryWriterOptions;
  readonly #stop = new AbortController();
  readonly #halted: HaltedPartitions;
  #away: string | null = 'the writer starts';
  #bufferedBytes = 0;
  #mismatch: string | null = null;
  #positions: ReadonlyMap<Partition, Offset> = new Map();
  #positionsLogId: LogId | null = null;
  #running: Promise<void> | null = null;

  constructor(options: TelemetryWriterOptions) {
    this.#options = options;
    this.#halted = new HaltedPartitions(options.logger);
  }

  /** Bytes of the log that were read ahead. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Partitions that wait for an operator. */
  get haltedCount(): number {
    return this.#halted.size;
  }

  /** Runs until `stop`. Rejects only when going on would be wrong: another owner, or a log that is not the plan's. */
  run(): Promise<void> {
    assert(this.#running === null, 'a writer runs once');
    this.#running = this.#runSessions();
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    const ended = new AbortController();
    const running = (this.#running ?? Promise.resolve()).catch(() => undefined).finally(() => ended.abort());
    await this.#options.clock.sleep(STOP_PATIENCE_MS, ended.signal);
    if (!ended.signal.aborted) this.#options.stores.abandon();
    await running;
  }

  /** The next offset of each partition behind the last plan that is closed, and the log that they belong to. */
  positions(): { readonly logId: LogId | null; readonly positions: ReadonlyMap<Partition, Offset> } {
    return { logId: this.#positionsLogId, positions: this.#positions };
  }

  health(): WriterHealth {
    const degraded = [...this.#halted.degraded()];
    if (this.#mismatch !== null) degraded.unshift({ part: 'stored telemetry', detail: this.#mismatch });
    if (this.#away !== null) degraded.unshift({ part: 'clickhouse', detail: this.#away });
    return { serving: this.#positionsLogId !== null, degraded };
  }

  async #runSessions(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        const session = await this.#openSession();
        failures = 0;
        await this.#runRounds(session);
      } catch (error) {
        if (!isPassing(error)) throw error;
        failures += 1;
        await this.#backOff(error, failures);
      }
    }
  }

  async #openSession(): Promise<Session> {
    const { stores, log, logger, owner, range } = this.#options;
    await stores.prepare();
    // Taken before the chains of other divisions are looked for: who starts under another one sees it, or is seen.
    const epoch = await stores.plans.takeEpoch(owner);
    const logId = await log.logId();
    const logOrigins = await this.#options.logOrigins();
    const own = await this.#settleOpenPlan(await stores.plans.lastPlan(), { epoch, logId, logOrigins });
    const { clock, windowBlocks, partitionCount } = this.#options;
    const { divisions } = stores;
    const retireParts = { divisions, log, logId, logOrigins, logger, clock, owner, windowBlocks, of: range.of };
    const others = await retireOtherDivisions(retireParts);
    await this.#audit(logId, epoch);
    const lastPlans = own === null ? others : [own, ...others];
    const ofRange = partitionsOfRange(range, partitionCount);
    const starts = await startPositions({ log, logId, logOrigins, partitions: ofRange, lastPlans });
    const tenantTotals = await startTenants(starts, (closed) => stores.plans.tenantTotals(closed));
    const state = await this.#beginChain(own, starts, { epoch, logId, tenantTotals });
    const positions = new Map(starts.map(({ part }) => [part.partition as Partition, part.to as Offset]));
    this.#halted.clear();
    this.#confirm(logId, positions);
    logger.info({ epoch, plan: state.number, logId, scope: state.scope }, 'the telemetry lane is owned');
    const { bytesMax } = this.#options.limits;
    return {
      buffer: new LogBuffer(
        log,
        { framesMaxPerRead: this.#options.framesMaxPerRead, bytesMax: bytesMax * BUFFER_BATCHES },
        positions,
      ),
      quota: new DeadLetterQuota(this.#options.deadLettersPerDayMax, await stores.deadLetterCounts()),
      state,
      unclosed: null,
      askAtMs: clock.nowMs() + HALTED_QUESTION_MS,
      isBehind: false,
    };
  }

  async #settleOpenPlan(
    last: LastPlan | null,
    at: { readonly epoch: number; readonly logId: LogId; readonly logOrigins: readonly LogOrigin[] },
  ): Promise<IngestPlan | null> {
    const { stores, log, logger, owner, windowBlocks } = this.#options;
    if (last === null || !last.open) return last?.plan ?? null;
    const { plan } = last;
    logger.info({ plan: plan.number, records: plan.records }, 'a plan was left open: it is settled first');
    const logIsThere = plan.logId === at.logId || carriesWhole(carriedOver(plan, at.logId, at.logOrigins), plan);
    return settlePlan({ log, stores, logger }, { plan, epoch: at.epoch, owner, logIsThere, windowBlocks });
  }

  /** Where partitions come from another chain, a mark says from where this one counts on. */
  async #beginChain(
    own: IngestPlan | null,
    starts: readonly PartitionStart[],
    at: { readonly epoch: number; readonly logId: LogId; readonly tenantTotals: readonly PlanTenant[] },
  ): Promise<WriterState> {
    const { stores, owner, range } = this.#options;
    const { epoch, logId, tenantTotals } = at;
    const about = { scope: scopeOf(range), epoch, owner, logId, partitions: starts.map(({ part }) => part) };
    const blockMark = await stores.plans.blockCounter();
    const isAdopted = starts.some(({ source }) => source !== null && source.scope !== about.scope);
    const number = (own?.number ?? 0) + (isAdopted ? 1 : 0);
    if (isAdopted) {
      const mark = chainMark('adopted', { ...about, number, blockMark, tenantTotals });
      await stores.plans.open(mark, mark);
    }
    return { ...about, number, blockMark, tenants: new TenantTotals(tenantTotals), isFirst: true };
  }

  /** Only tells: rows that are missing or doubled are no reason to keep new ones from being stored. */
  async #audit(logId: LogId, epoch: number): Promise<void> {
    const { log, stores, logger, windowBlocks, clock, metrics, range } = this.#options;
    const isShared = range.of > 1;
    const oldestDay = Math.floor(clock.nowMs() / DAY_MS) - LIMITS.rawRetentionDays + 1;
    try {
      const result = await auditStored({ log, stores, logger, logId, epoch, windowBlocks, isShared, oldestDay });
      metrics.mismatch(result);
      this.#mismatch = null;
      if (result.plans.length === 0) return;
      const { recordsMissing, repeatedRows, plans } = result;
      const named = plans.length === 1 ? `plan ${plans[0]}` : `${plans.length} plans from ${plans[0]} on`;
      const text = `${named}: ${recordsMissing} records without rows, ${repeatedRows} rows repeated`;
      this.#mismatch = `${MISMATCH}: ${text}`;
      logger.error({ code: MISMATCH, ...result }, text);
    } catch (error) {
      if (!isPassing(error) && (error as { readonly code?: unknown }).code === 'STALE_EPOCH') throw error;
      logger.warn({ err: error }, 'what is stored could not be compared with the plans; the next start tries again');
    }
  }

  async #runRounds(session: Session): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      const startedMs = clock.nowMs();
      let tookMs = 0;
      if (await this.#isLetGoOn(session)) break;
      const batch = await this.#nextBatch(session);
      if (batch !== null) {
        const cutMs = clock.nowMs();
        if (batch.plan.records > 0) await this.#storeReadingOn(session, batch);
        tookMs = clock.nowMs() - cutMs;
        this.#halt(session, batch);
        if (batch.full) continue;
      } else {
        await this.#close(session);
      }
      await clock.sleep(Math.max(0, startedMs + this.#intervalMs(tookMs) - clock.nowMs()), this.#stop.signal);
    }
    await this.#close(session);
  }

  /** A part of a round's price is fixed: when rounds are slow, because the processor is full, they become fewer. */
  #intervalMs(tookMs: number): number {
    const { roundIntervalMs, roundIntervalMaxMs } = this.#options;
    return Math.max(roundIntervalMs, Math.min(roundIntervalMaxMs, tookMs * ROUND_REST));
  }

  async #nextBatch(session: Session): Promise<IngestBatch | null> {
    const { limits, roundIntervalMs, metrics, clock } = this.#options;
    let came = await this.#fill(session, roundIntervalMs);
    // A log that answers a little slower than records come always has some more: rows would wait for a full batch.
    const endMs = clock.nowMs() + roundIntervalMs;
    while (came && this.#hasRoom(session.buffer) && clock.nowMs() < endMs && !this.#stop.signal.aborted)
      came = await this.#fill(session, 0);
    session.isBehind = came;
    this.#bufferedBytes = session.buffer.bytes;
    metrics.bufferedBytes.set(session.buffer.bytes);
    return cutBatch(session.buffer, session.state, { limits, deadLetters: session.quota.draft() });
  }

  /** Whether there is not enough for a full round yet, nor as much as may be held. */
  #hasRoom(buffer: LogBuffer): boolean {
    const { bytesMax, recordsMax } = this.#options.limits;
    return buffer.bytes < bytesMax && buffer.records < recordsMax;
  }

  /** One partition that cannot be read must not keep the others waiting: what is here of it is stored; it stops. */
  async #fill({ buffer }: Session, waitMs: number): Promise<boolean> {
    try {
      return await buffer.fill(waitMs);
    } catch (error) {
      const halt = haltOf(error);
      if (halt === null || !buffer.seal(halt.partition, halt.from)) throw error;
      this.#halted.halt(halt.partition, halt.code, halt.reason);
      return true;
    }
  }

  /**
   * Whether an operator has let a halted partition go on (`breakwater rows skip`): a chain of another division came
   * farther in it then. The next session begins there.
   */
  async #isLetGoOn(session: Session): Promise<boolean> {
    const { clock, range, stores } = this.#options;
    if (this.#halted.size === 0 || clock.nowMs() < session.askAtMs) return false;
    session.askAtMs = clock.nowMs() + HALTED_QUESTION_MS;
    const { logId, partitions } = session.state;
    const others = (await stores.divisions.chains()).filter((chain) => chain.range.of !== range.of);
    return others.some(({ closed }) =>
      closed?.logId !== logId
        ? false
        : closed.partitions.some(({ partition, to }) => {
            const own = partitions.find((part) => part.partition === partition);
            return this.#halted.has(partition as Partition) && own !== undefined && own.to < to;
          }),
    );
  }

  /**
   * Reading and storing both wait for somebody else, and one after the other they take no more than a round's worth in
   * the time of both. So a writer that is behind reads the next round while this one is stored.
   */
  async #storeReadingOn(session: Session, batch: IngestBatch): Promise<void> {
    let isStored = false;
    const readOn = session.isBehind ? this.#readOn(session.buffer, () => isStored) : null;
    try {
      await this.#store(session, batch);
    } finally {
      isStored = true;
    }
    await readOn;
  }

  async #readOn(buffer: LogBuffer, isOver: () => boolean): Promise<void> {
    const { recordsMax, bytesMax } = this.#options.limits;
    try {
      while (!isOver() && buffer.bytes < bytesMax && buffer.records < ROUNDS_HELD_MAX * recordsMax) {
        if (!(await buffer.fill(0))) return;
      }
    } catch {
      // The next round asks for the same again, and has the answer for whatever it is told.
    }
  }

  /** Once the plan may be stored there is no way but forward: it is repeated until every row is confirmed. */
  async #store(session: Session, batch: IngestBatch): Promise<void> {
    const startedMs = this.#options.clock.nowMs();
    let plan = batch.plan;
    for (let failures = 1; ; failures += 1) {
      try {
        plan = await this.#storeOnce(session, batch);
        break;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await this.#backOff(error, failures, plan.number);
        // What was begun is settled by the next start: nothing may be given up in between.
        if (this.#stop.signal.aborted || !(await this.#isRemembered(plan))) throw error;
      }
    }
    session.quota.settle(batch.deadLetters);
    session.buffer.advance(positionsAfter(plan));
    session.unclosed = plan;
    const remark = plan.number % PLANS_PER_BLOCK_MARK === 0;
    const blockMark = remark ? await this.#options.stores.plans.blockCounter() : plan.blockMark;
    session.state.tenants.add(plan.tenants);
    session.state = {
      ...session.state,
      ...{ number: plan.number, partitions: plan.partitions, isFirst: false, blockMark },
    };
    this.#away = null;
    this.#options.metrics.refused.set(0);
    this.#options.metrics.stored(plan, batch.bodies, this.#options.clock.nowMs() - startedMs);
  }

  /**
   * Whether tables still know the plan's tokens. Alone, a writer puts no block between its tries; the other ranges do,
   * so at some time the plan has to be settled by looking its rows up.
   */
  async #isRemembered(plan: IngestPlan): Promise<boolean> {
    const { range, windowBlocks, stores } = this.#options;
    if (range.of === 1) return true;
    return (await stores.plans.blockCounter()) - plan.blockMark < windowBlocks * WINDOW_SHARE;
  }

  /** Answers the plan as it is to be closed. */
  async #storeOnce(session: Session, { plan, bodies }: IngestBatch): Promise<IngestPlan> {
    const { stores, logger } = this.#options;
    const inserter = new DayInserter(stores, logger);
    await stores.plans.open(plan, session.unclosed);
    this.#closed(session);
    for (const { day } of plan.days) await inserter.insert(plan, day, bodies.get(day) as Buffer);
    return inserter.settled(plan);
  }

  /** While it fails the plan stays as it is, and the session ends: the next one settles it. */
  async #close(session: Session): Promise<void> {
    if (session.unclosed === null) return;
    await this.#options.stores.plans.close(session.unclosed);
    this.#closed(session);
  }

  /** Only what is closed is confirmed: until then the log must keep the plan's records. */
  #closed(session: Session): void {
    const { unclosed } = session;
    if (unclosed === null) return;
    session.unclosed = null;
    this.#confirm(unclosed.logId, positionsAfter(unclosed));
  }

  #halt(session: Session, batch: IngestBatch): void {
    for (const { partition, reason } of batch.halted) {
      session.buffer.drop(partition);
      this.#halted.halt(partition, VERSION_UNKNOWN, reason);
    }
  }

  #confirm(logId: LogId, positions: ReadonlyMap<Partition, Offset>): void {
    this.#away = null;
    this.#options.metrics.refused.set(0);
    this.#positionsLogId = logId;
    this.#positions = positions;
  }

  async #backOff(error: unknown, failures: number, plan?: number): Promise<void> {
    const { clock, backoffMaxMs, logger, metrics } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    const waitMs = Math.min(backoffMaxMs, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 16));
    const refused = isRefusal(error);
    this.#away = refused ? `${REFUSED}${plan === undefined ? '' : ` (plan ${plan})`}: ${message}` : message;
    metrics.failures.inc();
    metrics.refused.set(refused ? 1 : 0);
    if (refused) logger.error({ code: REFUSED, plan, failures, waitMs }, message);
    else logger.warn({ failures, waitMs }, message);
    await clock.sleep(waitMs, this.#stop.signal);
  }
}

/** ClickHouse answered, and not with "later": it is tried again, but somebody has to repair something. */
function isRefusal(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'BACKEND_UNAVAILABLE' && !error.retryable;
}

/** What may be gone at the next try. Everything that has a code of its own and is not marked so stops the writer. */
function isPassing(error: unknown): boolean {
  if (error instanceof PlatformError) return error.code === 'BACKEND_UNAVAILABLE' || error.retryable;
  return !(error instanceof Error && error.name === 'AssertionFailed');
}

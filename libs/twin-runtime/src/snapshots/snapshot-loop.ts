import type { DeviceKey, LogId, Partition } from '@breakwater/twin';
import type { Clock } from '../ports/clock.ts';
import { type EventLog, type Lane, LANES, type LogBounds } from '../ports/event-log.ts';
import type { SnapshotArchive, SnapshotRound, SnapshotSource } from '../ports/twin-snapshots.ts';
import type { LanePositions, TwinStore } from '../ports/twin-store.ts';

/** What somebody who watches the snapshots is told. */
export interface SnapshotObserver {
  roundEnded(partition: Partition, twins: number): void;
  /** After each look at all partitions. */
  looked(seen: {
    /** Records that a rebuild would replay, of the partition that has most of them. */
    readonly lagRecords: number;
    /** Partitions of which the log has forgotten records that are in no snapshot. */
    readonly behindLog: number;
  }): void;
  failed(failures: number, error: unknown): void;
}

export interface SnapshotLoopOptions {
  readonly source: SnapshotSource;
  readonly archive: SnapshotArchive;
  readonly twins: Pick<TwinStore, 'ledger'>;
  readonly log: Pick<EventLog, 'bounds' | 'logId'>;
  /** The schema is there, and ClickHouse answers. */
  readonly isStoreReady: () => boolean;
  readonly clock: Clock;
  readonly observer: SnapshotObserver;
  readonly partitionCount: number;
  /** From one round of a partition to the next. */
  readonly intervalMs: number;
  /** What a lane of a partition may hold. */
  readonly laneBytesMax: Readonly<Record<Lane, number>>;
  readonly backoffMaxMs: number;
}

/** Twins of one copy: about a megabyte, some milliseconds of Redis and one insert. */
const TWINS_PER_COPY = 1_000;
const TICK_MS = 2_000;
/** A lane that holds so much behind the last round has the next one at once: at half, trims no longer wait for it. */
const DUE_SHARE = 0.2;
/** Rounds cost something whatever is in them: under the highest load they follow each other at this pace. */
const PAUSE_MIN_MS = 5_000;
const BACKOFF_FIRST_MS = 500;
const STOP_PATIENCE_MS = 5_000;

interface Known {
  readonly logId: LogId;
  /** A rebuild replays the log from here on. */
  readonly floor: LanePositions;
  readonly atMs: number;
}

/**
 * Copies every twin that was written since the last round out of the twin store into ClickHouse, a partition at a time,
 * so that a lost store is rebuilt from these and the log after them. The store itself notes which twins those are: the
 * hot path does no more than that. While ClickHouse is away nothing here grows: the names of written twins are a set.
 */
export class SnapshotLoop {
  readonly #options: SnapshotLoopOptions;
  readonly #stop = new AbortController();
  readonly #known = new Map<Partition, Known>();
  #running: Promise<void> = Promise.resolve();
  #away: string | null = null;

  constructor(options: SnapshotLoopOptions) {
    this.#options = options;
  }

  /** Why it stands still; null while it does not. */
  get trouble(): string | null {
    return this.#away;
  }

  /** Up to where a rebuild needs no record of this log any more; null while that is not known. */
  floor(partition: Partition, logId: LogId): LanePositions | null {
    const known = this.#known.get(partition);
    return known === undefined || known.logId !== logId ? null : known.floor;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    // A request under way may take longer than the process has; it is repeated by the next one.
    await Promise.race([this.#running, this.#options.clock.sleep(STOP_PATIENCE_MS)]);
  }

  async #run(): Promise<void> {
    const { clock, isStoreReady, backoffMaxMs, observer } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = TICK_MS;
      try {
        if (isStoreReady()) await this.tick();
        failures = 0;
        this.#away = null;
      } catch (error) {
        failures += 1;
        this.#away = error instanceof Error ? error.message : String(error);
        waitMs = Math.min(backoffMaxMs, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 16));
        observer.failed(failures, error);
      }
      await clock.sleep(waitMs, signal);
    }
  }

  /** A round of each partition that is due. */
  async tick(): Promise<void> {
    const { log, twins, partitionCount, observer } = this.#options;
    const logId = await log.logId();
    // Side by side: a log on other machines answers many such questions at once.
    const boundsOf = await Promise.all(
      Array.from({ length: partitionCount }, (_, partition) => laneBounds(log, partition as Partition)),
    );
    let lagRecords = 0;
    let behindLog = 0;
    for (let index = 0; index < partitionCount && !this.#stop.signal.aborted; index += 1) {
      const partition = index as Partition;
      const { positions } = await twins.ledger(partition);
      const bounds = boundsOf[partition]!;
      if (this.#isDue(partition, logId, { positions, bounds })) await this.#round(partition, logId);
      const known = this.floor(partition, logId);
      if (known === null) continue;
      lagRecords = Math.max(lagRecords, ...LANES.map((lane) => positions[lane] - known[lane]));
      if (LANES.some((lane) => bounds[lane].first > known[lane])) behindLog += 1;
    }
    observer.looked({ lagRecords, behindLog });
  }

  #isDue(
    partition: Partition,
    logId: LogId,
    now: { readonly positions: LanePositions; readonly bounds: Readonly<Record<Lane, LogBounds>> },
  ): boolean {
    const known = this.#known.get(partition);
    if (known === undefined || known.logId !== logId) return true;
    // Also a store that lost its last writes is to be copied again: it may have other twins in its place.
    if (LANES.every((lane) => now.positions[lane] === known.floor[lane])) return false;
    const { clock, intervalMs, laneBytesMax } = this.#options;
    const sinceMs = clock.nowMs() - known.atMs;
    if (sinceMs >= intervalMs) return true;
    if (sinceMs < PAUSE_MIN_MS) return false;
    return LANES.some((lane) => {
      const { first, end, bytes } = now.bounds[lane];
      if (end === first) return false;
      return ((end - known.floor[lane]) * bytes) / (end - first) > laneBytesMax[lane] * DUE_SHARE;
    });
  }

  async #round(partition: Partition, logId: LogId): Promise<void> {
    const { source, archive, clock, observer } = this.#options;
    let copied = 0;
    const round = await source.beginRound(partition);
    // Nothing was committed yet, or the shard has not seen the present log: there is nothing that belongs to it.
    if (round === null || round.logId !== logId) return;
    const kept = await archive.find(partition, logId);
    const isWhole = kept !== null && covers(kept.floor, round);
    const batches = isWhole ? source.changedKeys(partition) : source.allKeys(partition);
    let last: readonly DeviceKey[] = [];
    for await (const keys of pieces(batches)) {
      if (last.length > 0) await archive.save(await source.snapshot(partition, last), null);
      copied += keys.length;
      last = keys;
      if (this.#stop.signal.aborted) return;
    }
    // With the last twins, so that a floor is never kept without all that lies below it. An insert has a fixed cost:
    // most rounds are one.
    await archive.save(await source.snapshot(partition, last), round.positions);
    await source.endRound(partition, round.number);
    this.#known.set(partition, { logId, floor: round.positions, atMs: clock.nowMs() });
    observer.roundEnded(partition, copied);
  }
}

async function laneBounds(
  log: Pick<EventLog, 'bounds'>,
  partition: Partition,
): Promise<Readonly<Record<Lane, LogBounds>>> {
  const [control, telemetry] = await Promise.all([
    log.bounds('control', partition),
    log.bounds('telemetry', partition),
  ]);
  return { control, telemetry };
}

/** What is kept reaches as far as the store believes: a ClickHouse that was restored or emptied may have less. */
function covers(floor: LanePositions, { covered, logId }: SnapshotRound): boolean {
  if (covered === null || covered.logId !== logId) return false;
  return LANES.every((lane) => floor[lane] >= covered.positions[lane]);
}

async function* pieces(batches: AsyncIterable<readonly DeviceKey[]>): AsyncGenerator<readonly DeviceKey[]> {
  let waiting: DeviceKey[] = [];
  for await (const batch of batches) {
    waiting.push(...batch);
    while (waiting.length >= TWINS_PER_COPY) {
      yield waiting.slice(0, TWINS_PER_COPY);
      waiting = waiting.slice(TWINS_PER_COPY);
    }
  }
  if (waiting.length > 0) yield waiting;
}

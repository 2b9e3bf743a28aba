import type { LogId, Offset, Partition } from '@breakwater/twin';
import {
  type Clock,
  type EventLog,
  type Lane,
  LANES,
  type LanePositions,
  type LogBounds,
  type TwinStore,
} from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

export interface LogTrimmerOptions {
  readonly log: EventLog;
  readonly twins: Pick<TwinStore, 'ledger'>;
  /** Up to where the telemetry of this log is stored; what is missing is not known. */
  readonly writerPositions: (logId: LogId) => ReadonlyMap<Partition, Offset> | Promise<ReadonlyMap<Partition, Offset>>;
  /** From where on a rebuild needs the records of a partition; null while that is not known. */
  readonly rebuildFloor: (partition: Partition, logId: LogId) => LanePositions | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly partitionCount: number;
  readonly retentionRecords: number;
  /** What a lane of a partition may hold. */
  readonly laneBytesMax: Readonly<Record<Lane, number>>;
  readonly intervalMs: number;
}

/** A tail behind all consumers is a convenience: with the backlog it may have this share of its lane, and no more. */
const TAIL_SHARE = 0.5;

/**
 * Forgets what no consumer needs any more: of the telemetry lane what both the twins and the writer have applied, of
 * the control lane what the twins have. A position is only asked of those who store it: a trim can come late, never
 * early. What is kept beyond that, for late readers and for a rebuild of the twins, shrinks when the lane fills up: a
 * lane that is full of what everybody has applied would refuse appends for good.
 */
export class LogTrimmer {
  readonly #options: LogTrimmerOptions;
  readonly #stop = new AbortController();
  readonly #trimmedTo = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: LogTrimmerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** One pass over all partitions. */
  async trimOnce(): Promise<void> {
    const { log, twins, writerPositions, partitionCount } = this.#options;
    const logId = await log.logId();
    // Positions of another log say nothing about this one: after a restore both consumers have to see it first.
    const stored = await writerPositions(logId);
    for (let index = 0; index < partitionCount; index += 1) {
      const partition = index as Partition;
      const { positions: twinPositions } = await twins.ledger(partition);
      const needed: Record<Lane, number> = {
        control: twinPositions.control,
        telemetry: Math.min(twinPositions.telemetry, stored.get(partition) ?? 0),
      };
      const floor = this.#options.rebuildFloor(partition, logId);
      for (const lane of LANES) await this.#trim(lane, partition, { needed: needed[lane], floor: floor?.[lane] ?? 0 });
    }
  }

  async #trim(
    lane: Lane,
    partition: Partition,
    { needed, floor }: { readonly needed: number; readonly floor: number },
  ): Promise<void> {
    const key = `${lane}/${partition}`;
    const { retentionRecords, laneBytesMax, log } = this.#options;
    const bounds = await log.bounds(lane, partition);
    const wanted = Math.min(needed - retentionRecords, floor);
    const before = Math.min(needed, Math.max(wanted, tailStart(bounds, laneBytesMax[lane])));
    if (before <= (this.#trimmedTo.get(key) ?? 0)) return;
    // A position behind the log's end belongs to a log that is gone.
    if (needed > bounds.end) return;
    await log.trim(lane, partition, before as Offset);
    this.#trimmedTo.set(key, before);
  }

  async #loop(): Promise<void> {
    const { clock, intervalMs, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(intervalMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await this.trimOnce();
      } catch (error) {
        logger.warn({ err: error }, 'the log was not trimmed; the next pass tries again');
      }
    }
  }
}

/** From where on the lane would hold what its tail and its backlog may have of it, by the mean size of its records. */
function tailStart({ first, end, bytes }: LogBounds, laneBytesMax: number): number {
  const bytesKept = laneBytesMax * TAIL_SHARE;
  if (bytes <= bytesKept) return 0;
  return end - Math.floor(((end - first) * bytesKept) / bytes);
}

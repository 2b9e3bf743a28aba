import { DEDUPLICATION_WINDOW_BLOCKS, WHOLE_LANE, type WriterRange } from '@breakwater/adapter-clickhouse';
import type { Logger } from '@breakwater/observability';
import type { LogId, Offset, Partition } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';

import type { WriterSettings } from '../read-writer-settings.ts';
import { TelemetryWriter, type WriterHealth } from '../telemetry-writer.ts';
import type { WriterMetricsOfRanges } from '../writer-metrics.ts';
import type { WriterPorts } from '../writer-ports.ts';

export interface RangeWritersOptions {
  readonly ports: Pick<WriterPorts, 'openReader' | 'storesOf' | 'logOrigins' | 'clock'>;
  readonly settings: WriterSettings;
  readonly metrics: WriterMetricsOfRanges;
  readonly logger: Logger;
  readonly owner: string;
  /** Going on with a range would be wrong. */
  readonly failed: (error: unknown) => void;
}

interface RunningRange {
  readonly writer: TelemetryWriter;
  readonly close: () => void;
  /** It is stopped in order; whoever has the range next may refuse its last insert. */
  isEnding: boolean;
}

/** The writers of the ranges that this process has, one each. All of them together hold what one of the lane would. */
export class RangeWriters {
  readonly #options: RangeWritersOptions;
  readonly #running = new Map<number, RunningRange>();

  constructor(options: RangeWritersOptions) {
    this.#options = options;
  }

  get bufferedBytes(): number {
    return this.#sum((writer) => writer.bufferedBytes);
  }

  get haltedCount(): number {
    return this.#sum((writer) => writer.haltedCount);
  }

  begin(index: number): void {
    const { ports, settings, logger, owner, metrics } = this.#options;
    const range: WriterRange = settings.ranges === 1 ? WHOLE_LANE : { index, of: settings.ranges };
    const log = ports.openReader();
    const writer = new TelemetryWriter({
      log,
      stores: ports.storesOf(range),
      logOrigins: ports.logOrigins,
      clock: ports.clock,
      logger: range.of === 1 ? logger : logger.child({ range: index }),
      metrics: metrics.ofRange(index),
      owner,
      partitionCount: settings.partitionCount,
      range,
      limits: {
        recordsMax: settings.batchRecordsMax,
        bytesMax: shareOf(settings.batchBytesMax, range.of),
        daysMax: settings.batchDaysMax,
      },
      framesMaxPerRead: settings.readFramesMax,
      roundIntervalMs: settings.roundIntervalMs,
      roundIntervalMaxMs: settings.roundIntervalMaxMs,
      backoffMaxMs: settings.backoffMaxMs,
      deadLettersPerDayMax: shareOf(settings.deadLettersPerDayMax, range.of),
      windowBlocks: DEDUPLICATION_WINDOW_BLOCKS,
    });
    const running: RunningRange = { writer, close: () => log.close(), isEnding: false };
    this.#running.set(index, running);
    writer.run().catch((error: unknown) => {
      if (running.isEnding && isStale(error)) return;
      this.#options.logger.fatal({ err: error, range: index }, 'the writer stops: going on would be wrong');
      this.#options.failed(error);
    });
  }

  async end(index: number): Promise<void> {
    const running = this.#running.get(index);
    if (running === undefined) return;
    running.isEnding = true;
    await running.writer.stop();
    running.close();
    if (this.#running.get(index) === running) this.#running.delete(index);
    this.#options.metrics.forget(index);
  }

  /** The positions of the ranges that are here and known: those in one log, or all, in whichever log they are. */
  positions(logId: LogId | null = null): ReadonlyMap<Partition, Offset> {
    const known = [...this.#running.values()].map(({ writer }) => writer.positions());
    const wanted = known.filter((each) => logId === null || each.logId === logId);
    return new Map(wanted.flatMap(({ positions }) => [...positions]));
  }

  get isAnyPositionKnown(): boolean {
    return [...this.#running.values()].some(({ writer }) => writer.positions().logId !== null);
  }

  /** What several ranges say alike is said once. */
  degraded(): WriterHealth['degraded'] {
    const all = [...this.#running.values()].flatMap(({ writer }) => writer.health().degraded);
    return [...new Map(all.map((one) => [`${one.part}: ${one.detail}`, one])).values()];
  }

  #sum(of: (writer: TelemetryWriter) => number): number {
    return [...this.#running.values()].reduce((sum, { writer }) => sum + of(writer), 0);
  }
}

function shareOf(total: number, ranges: number): number {
  return Math.ceil(total / ranges);
}

function isStale(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'STALE_EPOCH';
}

import { laneBytesMaxOf } from '@breakwater/adapter-redis';
import type { Logger, Metrics } from '@breakwater/observability';
import type { LogId, Offset, Partition } from '@breakwater/twin';
import { SnapshotLoop } from '@breakwater/twin-runtime';

import { historyMetrics } from './history/history-metrics.ts';
import { TwinHistory } from './history/twin-history.ts';
import { LogTrimmer } from './log-trimmer.ts';
import type { WriterSettings } from './read-writer-settings.ts';
import { snapshotMetrics } from './snapshot/snapshot-metrics.ts';
import type { WriterPorts } from './writer-ports.ts';

export interface LaneKeepersOptions {
  readonly ports: WriterPorts;
  readonly settings: WriterSettings;
  readonly logger: Logger;
  /** Made once for a process, whose metrics outlive the keepers. */
  readonly history: ReturnType<typeof historyMetrics>;
  readonly snapshots: ReturnType<typeof snapshotMetrics>;
  /** The schema is there, and ClickHouse answers. */
  readonly isStoreReady: () => boolean;
  /** Up to where the telemetry of a log is stored, of all ranges. */
  readonly writerPositions: (logId: LogId) => Promise<ReadonlyMap<Partition, Offset>>;
}

/** What is done once for the whole lane, by whoever has its first range: history and snapshots of twins, and trims. */
export class LaneKeepers {
  readonly #history: TwinHistory;
  readonly #snapshots: SnapshotLoop;
  readonly #trimmer: LogTrimmer | null;

  constructor(options: LaneKeepersOptions) {
    const { ports, settings, logger, isStoreReady, writerPositions } = options;
    const { trimLog, twins, clock } = ports;
    const { partitionCount } = settings;
    const laneBytesMax = laneBytesMaxOf(settings);
    const common = { isStoreReady, clock, partitionCount, backoffMaxMs: settings.backoffMaxMs };
    this.#history = new TwinHistory({
      ...common,
      feed: ports.changes,
      store: ports.history,
      logger,
      metrics: options.history,
      roundIntervalMs: settings.historyIntervalMs,
    });
    this.#snapshots = new SnapshotLoop({
      ...common,
      ...{ source: ports.snapshotSource, archive: ports.snapshotArchive, twins, log: trimLog, laneBytesMax },
      observer: options.snapshots,
      intervalMs: settings.snapshotIntervalSeconds * 1_000,
    });
    const { retentionRecords, trimIntervalMs: intervalMs } = settings;
    const trimmer = { log: trimLog, twins, clock, logger, partitionCount, retentionRecords, intervalMs, laneBytesMax };
    this.#trimmer = !ports.isLogTrimmedByUs
      ? null
      : new LogTrimmer({
          ...trimmer,
          rebuildFloor: (partition, logId) => this.#snapshots.floor(partition, logId),
          writerPositions,
        });
  }

  start(): void {
    this.#trimmer?.start();
    this.#history.start();
    this.#snapshots.start();
  }

  async stop(): Promise<void> {
    await this.#trimmer?.stop();
    await Promise.all([this.#history.stop(), this.#snapshots.stop()]);
  }

  /** What stands still, and why. */
  degraded(): readonly { readonly part: string; readonly detail: string }[] {
    const parts = [
      { part: 'history of twins', detail: this.#history.trouble },
      { part: 'snapshots of twins', detail: this.#snapshots.trouble },
    ];
    return parts.flatMap(({ part, detail }) => (detail === null ? [] : [{ part, detail }]));
  }
}

export function keeperMetrics(metrics: Metrics, logger: Logger): Pick<LaneKeepersOptions, 'history' | 'snapshots'> {
  return { history: historyMetrics(metrics), snapshots: snapshotMetrics(metrics, logger) };
}

import { hostname } from 'node:os';

import { DEDUPLICATION_WINDOW_BLOCKS } from '@breakwater/adapter-clickhouse';
import { laneBytesMaxOf } from '@breakwater/adapter-redis';
import type { Logger, Metrics, QueueWatch, Readiness } from '@breakwater/observability';
import { PlatformError, SnapshotLoop } from '@breakwater/twin-runtime';
import { Inject, Injectable } from '@nestjs/common';

import { historyMetrics } from './history/history-metrics.ts';
import { TwinHistory } from './history/twin-history.ts';
import { LogTrimmer } from './log-trimmer.ts';
import { snapshotMetrics } from './snapshot/snapshot-metrics.ts';
import type { WriterSettings } from './read-writer-settings.ts';
import { PositionMarker } from './position-marker.ts';
import { TelemetryWriter } from './telemetry-writer.ts';
import { writerMetrics } from './writer-metrics.ts';
import { watchWriterQueues } from './writer-queues.ts';
import { WriterTurn } from './writer-turn.ts';
import { WRITER_LOGGER, WRITER_METRICS, WRITER_PORTS, WRITER_SETTINGS, type WriterPorts } from './writer-ports.ts';

/** What one process does for ClickHouse: the writer, the history and the snapshots of twins; and the trimmer. */
@Injectable()
export class WriterService {
  readonly #turn: WriterTurn;
  readonly #writer: TelemetryWriter;
  readonly #history: TwinHistory;
  readonly #snapshots: SnapshotLoop;
  readonly #trimmer: LogTrimmer | null;
  readonly #marker: PositionMarker | null;
  readonly #queues: QueueWatch<'telemetry-writer'>;
  readonly #logger: Logger;

  constructor(
    @Inject(WRITER_SETTINGS) settings: WriterSettings,
    @Inject(WRITER_PORTS) ports: WriterPorts,
    @Inject(WRITER_METRICS) metrics: Metrics,
    @Inject(WRITER_LOGGER) logger: Logger,
  ) {
    const { log, trimLog, twins, stores, clock, logOrigins } = ports;
    const { partitionCount } = settings;
    this.#logger = logger;
    const writer = settings.ownerName || `${hostname()}/${process.pid}/${Date.now()}`;
    this.#turn = new WriterTurn({ lease: ports.turnLease, writer, leaseTtlMs: settings.leaseTtlMs, clock, logger });
    this.#writer = new TelemetryWriter({
      log,
      stores,
      logOrigins,
      clock,
      logger,
      metrics: writerMetrics(metrics),
      owner: writer,
      partitionCount,
      limits: {
        recordsMax: settings.batchRecordsMax,
        bytesMax: settings.batchBytesMax,
        daysMax: settings.batchDaysMax,
      },
      framesMaxPerRead: settings.readFramesMax,
      roundIntervalMs: settings.roundIntervalMs,
      roundIntervalMaxMs: settings.roundIntervalMaxMs,
      backoffMaxMs: settings.backoffMaxMs,
      deadLettersPerDayMax: settings.deadLettersPerDayMax,
      windowBlocks: DEDUPLICATION_WINDOW_BLOCKS,
    });
    this.#queues = watchWriterQueues({ settings, metrics, writer: this.#writer });
    // The schema is there once the writer knows its position.
    const isStoreReady = () => this.#writer.positions().logId !== null;
    const laneBytesMax = laneBytesMaxOf(settings);
    const common = { isStoreReady, clock, partitionCount, backoffMaxMs: settings.backoffMaxMs };
    this.#history = new TwinHistory({
      ...common,
      feed: ports.changes,
      store: ports.history,
      logger,
      metrics: historyMetrics(metrics),
      roundIntervalMs: settings.historyIntervalMs,
    });
    this.#snapshots = new SnapshotLoop({
      ...common,
      ...{ source: ports.snapshotSource, archive: ports.snapshotArchive, twins, log: trimLog, laneBytesMax },
      observer: snapshotMetrics(metrics, logger),
      intervalMs: settings.snapshotIntervalSeconds * 1_000,
    });
    const positions = () => this.#writer.positions().positions;
    this.#marker = ports.marks === null ? null : new PositionMarker({ marks: ports.marks, positions, clock });
    const { retentionRecords, trimIntervalMs: intervalMs } = settings;
    const trimmer = { log: trimLog, twins, clock, logger, partitionCount, retentionRecords, intervalMs, laneBytesMax };
    this.#trimmer = !ports.isLogTrimmedByUs
      ? null
      : new LogTrimmer({
          ...trimmer,
          rebuildFloor: (partition, logId) => this.#snapshots.floor(partition, logId),
          writerPositions: () => this.#writer.positions(),
        });
  }

  /** Starts in the background, at its turn; `failed` is told when going on would be wrong. */
  start(failed: (error: unknown) => void): void {
    const begun = (): void => this.#begin(failed);
    this.#turn.start(begun, () => failed(new PlatformError('STALE_EPOCH', 'another telemetry-writer has the turn')));
    this.#queues.start();
  }

  #begin(failed: (error: unknown) => void): void {
    this.#writer.run().catch((error: unknown) => {
      this.#logger.fatal({ err: error }, 'the writer stops: going on would be wrong');
      failed(error);
    });
    this.#trimmer?.start();
    this.#marker?.start();
    this.#history.start();
    this.#snapshots.start();
  }

  /** Ready as soon as it runs, also when it stands by: while ClickHouse is away the log buffers, which is no fault. */
  readiness(): Readiness {
    if (!this.#turn.isHeld) return { ready: true, degraded: [] };
    const parts = [
      { part: 'history of twins', detail: this.#history.trouble },
      { part: 'snapshots of twins', detail: this.#snapshots.trouble },
    ];
    const behind = parts.flatMap(({ part, detail }) => (detail === null ? [] : [{ part, detail }]));
    return { ready: true, degraded: [...this.#writer.health().degraded, ...behind] };
  }

  async stop(): Promise<void> {
    this.#queues.stop();
    await this.#trimmer?.stop();
    await this.#marker?.stop();
    await Promise.all([this.#writer.stop(), this.#history.stop(), this.#snapshots.stop()]);
    await this.#turn.stop();
  }
}

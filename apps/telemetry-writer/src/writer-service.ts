import { hostname } from 'node:os';

import { DEDUPLICATION_WINDOW_BLOCKS } from '@breakwater/adapter-clickhouse';
import { laneBytesMaxOf } from '@breakwater/adapter-redis';
import type { Logger, Metrics, QueueWatch, Readiness } from '@breakwater/observability';
import { Inject, Injectable } from '@nestjs/common';

import { LogTrimmer } from './log-trimmer.ts';
import type { WriterSettings } from './read-writer-settings.ts';
import { TelemetryWriter } from './telemetry-writer.ts';
import { writerMetrics } from './writer-metrics.ts';
import { watchWriterQueues } from './writer-queues.ts';
import { WRITER_LOGGER, WRITER_METRICS, WRITER_PORTS, WRITER_SETTINGS, type WriterPorts } from './writer-ports.ts';

/** The writer and the trimmer of one process. */
@Injectable()
export class WriterService {
  readonly #writer: TelemetryWriter;
  readonly #trimmer: LogTrimmer;
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
    this.#writer = new TelemetryWriter({
      log,
      stores,
      logOrigins,
      clock,
      logger,
      metrics: writerMetrics(metrics),
      owner: settings.ownerName || `${hostname()}/${process.pid}/${Date.now()}`,
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
    this.#trimmer = new LogTrimmer({
      log: trimLog,
      twins,
      writerPositions: () => this.#writer.positions(),
      clock,
      logger,
      partitionCount,
      retentionRecords: settings.retentionRecords,
      laneBytesMax: laneBytesMaxOf(settings),
      intervalMs: settings.trimIntervalMs,
    });
  }

  /** Starts in the background; `failed` is told when going on would be wrong. */
  start(failed: (error: unknown) => void): void {
    this.#writer.run().catch((error: unknown) => {
      this.#logger.fatal({ err: error }, 'the writer stops: going on would be wrong');
      failed(error);
    });
    this.#trimmer.start();
    this.#queues.start();
  }

  /** Ready as soon as it runs: while ClickHouse is away the log buffers, which is `degraded`, not down. */
  readiness(): Readiness {
    return { ready: true, degraded: this.#writer.health().degraded };
  }

  async stop(): Promise<void> {
    this.#queues.stop();
    await this.#trimmer.stop();
    await this.#writer.stop();
  }
}

import { Gauge, MemoryWatch, type Metrics, QueueWatch } from '@breakwater/observability';

import type { WriterSettings } from './read-writer-settings.ts';
import { BUFFER_BATCHES, type TelemetryWriter } from './telemetry-writer.ts';

const BYTES_PER_MEGABYTE = 1024 * 1024;

/** What a writer holds of the log, and the partitions of it that wait for an operator. */
export function watchWriterQueues(options: {
  readonly settings: WriterSettings;
  readonly metrics: Metrics;
  readonly writers: Pick<TelemetryWriter, 'bufferedBytes' | 'haltedCount'>;
}): QueueWatch<'telemetry-writer'> {
  const { settings, metrics, writers } = options;
  const memory = new MemoryWatch({ metrics, maxBytes: settings.memoryMegabytesMax * BYTES_PER_MEGABYTE });
  new Gauge({
    name: 'breakwater_partitions_stopped',
    help: 'Partitions that stopped and wait for an operator.',
    registers: [metrics.registry],
    collect() {
      this.set(writers.haltedCount);
    },
  });
  return new QueueWatch({
    metrics,
    process: 'telemetry-writer',
    queues: {
      buffer: { used: () => writers.bufferedBytes, max: settings.batchBytesMax * BUFFER_BATCHES },
      memory: { used: () => memory.usedBytes(), max: memory.maxBytes },
    },
  });
}

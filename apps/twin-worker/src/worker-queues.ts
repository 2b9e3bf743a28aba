import { Gauge, MemoryWatch, type Metrics, QueueWatch } from '@breakwater/observability';
import { DEFAULT_RUNTIME_LIMITS, type RegionStatus } from '@breakwater/twin-runtime';

import type { WorkerSettings } from './read-worker-settings.ts';

const BYTES_PER_MEGABYTE = 1024 * 1024;

/** What the twins of a worker hold together, and the partitions of it that wait for an operator. */
export function watchWorkerQueues(options: {
  readonly settings: WorkerSettings;
  readonly metrics: Metrics;
  readonly status: () => RegionStatus;
}): QueueWatch<'twin-worker'> {
  const { settings, metrics, status } = options;
  const memory = new MemoryWatch({ metrics, maxBytes: settings.memoryMegabytesMax * BYTES_PER_MEGABYTE });
  new Gauge({
    name: 'breakwater_partitions_stopped',
    help: 'Partitions that stopped and wait for an operator.',
    registers: [metrics.registry],
    collect() {
      this.set(status().stopped.size);
    },
  });
  return new QueueWatch({
    metrics,
    process: 'twin-worker',
    queues: {
      twinCache: { used: () => status().cachedBytes, max: settings.twinCacheBytes },
      outbox: { used: () => status().outboxByShard, max: DEFAULT_RUNTIME_LIMITS.outboxPerShardMax },
      memory: { used: () => memory.usedBytes(), max: memory.maxBytes },
    },
  });
}

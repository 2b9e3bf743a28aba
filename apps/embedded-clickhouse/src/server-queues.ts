import type { embeddedClickhouseSettings, SettingsOf } from '@breakwater/config';
import { MemoryWatch, type Metrics, QueueWatch } from '@breakwater/observability';

import type { BodyBudget } from './http-body.ts';
import type { StatementRunner } from './statement-runner.ts';

/** Node, its heap, and the request bodies, beside what the engine may allocate. */
const BESIDE_THE_ENGINE_BYTES = 384 * 1024 * 1024;

/** What the clients of the embedded ClickHouse can fill together. */
export function watchServerQueues(options: {
  readonly settings: SettingsOf<typeof embeddedClickhouseSettings>;
  readonly metrics: Metrics;
  readonly runner: StatementRunner;
  readonly budget: BodyBudget;
}): QueueWatch<'embedded-clickhouse'> {
  const { settings, metrics, runner, budget } = options;
  const memory = new MemoryWatch({
    metrics,
    maxBytes: settings.memoryBytesMax + BESIDE_THE_ENGINE_BYTES,
    // The engine's memory is none of Node's: here the resident bytes are all that is known.
    read: () => ({ rss: process.memoryUsage.rss(), heapUsed: 0, external: Infinity }),
  });
  return new QueueWatch({
    metrics,
    process: 'embedded-clickhouse',
    queues: {
      reads: { used: () => runner.reads.length, max: settings.queueLengthMax },
      writes: { used: () => runner.writes.length, max: settings.queueLengthMax },
      bodies: { used: () => budget.bytes, max: settings.queueBytesMax },
      memory: { used: () => memory.usedBytes(), max: memory.maxBytes },
    },
  });
}

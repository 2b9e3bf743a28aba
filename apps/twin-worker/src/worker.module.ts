import type { Logger, Metrics } from '@breakwater/observability';
import { type DynamicModule, Module } from '@nestjs/common';

import { ShardEventsController } from './shard-events.controller.ts';
import { WorkerMetrics } from './worker-metrics.ts';
import { WORKER_LOGGER, WORKER_METRICS } from './worker-ports.ts';

/** The handlers of a worker. Its shards are run by the transport (`EventLogStrategy`). */
@Module({})
export class WorkerModule {
  static register(options: { readonly metrics: Metrics; readonly logger: Logger }): DynamicModule {
    return {
      module: WorkerModule,
      controllers: [ShardEventsController],
      providers: [
        { provide: WORKER_METRICS, useValue: new WorkerMetrics(options.metrics) },
        { provide: WORKER_LOGGER, useValue: options.logger },
      ],
    };
  }
}

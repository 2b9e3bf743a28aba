import 'reflect-metadata';

import {
  type Logger,
  Metrics,
  type Readiness,
  type RunningProcess,
  startHealthServer,
} from '@breakwater/observability';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { RegionStatus } from '@breakwater/twin-runtime';

import { EventLogStrategy } from './event-log-strategy.ts';
import type { WorkerSettings } from './read-worker-settings.ts';
import { connectRedisPorts } from './redis-worker-ports.ts';
import { watchWorkerQueues } from './worker-queues.ts';
import { WorkerModule } from './worker.module.ts';

/** Connects, joins the other workers, and answers how to stop. */
export async function startWorker(settings: WorkerSettings, logger: Logger): Promise<RunningProcess> {
  const metrics = new Metrics('twin-worker');
  const { ports, close } = await connectRedisPorts(settings, logger);
  try {
    const strategy = new EventLogStrategy({ settings, ports });
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(WorkerModule.register({ metrics, logger }), {
      strategy,
      logger: false,
      abortOnError: false,
    });
    const health = await startHealthServer({
      host: settings.metricsHost,
      port: settings.metricsPort,
      metrics,
      readiness: () => readinessOf(strategy.regionStatus),
    });
    const queues = watchWorkerQueues({ settings, metrics, status: () => strategy.regionStatus });
    queues.start();
    await app.listen();
    return {
      ports: { metrics: health.port },
      stop: async () => {
        queues.stop();
        await app.close();
        await health.close();
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** A worker without shards is ready too: it stands by. Only a stopped partition is worth a word. */
function readinessOf(status: RegionStatus): Readiness {
  return {
    ready: true,
    degraded: [...status.stopped].map(([partition, error]) => ({
      part: `partition ${partition}`,
      detail: `${error.code}: ${error.message}`,
    })),
  };
}

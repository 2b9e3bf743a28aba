import { randomUUID } from 'node:crypto';

import {
  checkInstallation,
  connectRedis,
  RedisCommandHints,
  RedisCommandSignals,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import { TemporalCommandWorkflows } from '@breakwater/adapter-temporal';
import { CommandRecords } from '@breakwater/activities';
import { openLogEngine } from '@breakwater/log-engine';
import {
  type Logger,
  MemoryWatch,
  Metrics,
  QueueWatch,
  type RunningProcess,
  startHealthServer,
} from '@breakwater/observability';
import { ControlProducer, systemClock } from '@breakwater/twin-runtime';

import { CommandWorker } from './command-worker.ts';
import { LostWorkflows } from './lost-workflows.ts';
import type { TemporalWorkerSettings } from './read-temporal-worker-settings.ts';
import { installSdkLogger } from './sdk-logger.ts';
import { SignalPump, type Telling } from './signal-pump.ts';

const BYTES_PER_MEGABYTE = 1024 * 1024;

/** Runs the workflows of commands and brings them the words of the twins. Needs no Temporal to start. */
export async function startTemporalWorker(settings: TemporalWorkerSettings, logger: Logger): Promise<RunningProcess> {
  const metrics = new Metrics('temporal-worker');
  const redis = await connectRedis(settings.redisUrl, { logger, name: 'temporal-worker' });
  const workflows = new TemporalCommandWorkflows(settings);
  const engine = openLogEngine(settings, 'breakwater-temporal-worker');
  try {
    await checkInstallation(redis, settings);
    await engine.check();
    const { partitionCount } = settings;
    const log = engine.open(redis);
    const producer = new ControlProducer({ log, clock: systemClock, producerId: `temporal-worker-${randomUUID()}` });
    const hints = new RedisCommandHints(redis);
    const pump = new SignalPump({
      signals: new RedisCommandSignals({ redis, signalsMax: Number.MAX_SAFE_INTEGER }),
      hints,
      workflows,
      lost: new LostWorkflows({ twins: new RedisTwinStore({ redis, ...settings }), workflows, partitionCount }),
      clock: systemClock,
      partitionCount,
      ...pumpObserver(metrics, logger),
    });
    const worker = new CommandWorker({
      settings,
      activities: new CommandRecords({ producer, clock: systemClock, partitionCount }),
      clock: systemClock,
      logger,
      sdkLogger: installSdkLogger(logger),
    });
    const memory = new MemoryWatch({ metrics, maxBytes: settings.memoryMegabytesMax * BYTES_PER_MEGABYTE });
    const queues = new QueueWatch({
      metrics,
      process: 'temporal-worker',
      queues: { memory: { used: () => memory.usedBytes(), max: memory.maxBytes } },
    });
    queues.start();
    await pump.start();
    worker.start();
    const health = await startHealthServer({
      host: settings.metricsHost,
      port: settings.metricsPort,
      metrics,
      readiness: () => ({ ready: true, degraded: worker.trouble === null ? [] : [TROUBLE(worker.trouble)] }),
    });
    return {
      ports: { metrics: health.port },
      stop: async () => {
        queues.stop();
        await Promise.all([worker.stop(), pump.stop()]);
        await workflows.close();
        await health.close();
        hints.close();
        log.close();
        await engine.close();
        redis.disconnect();
      },
    };
  } catch (error) {
    await workflows.close();
    await engine.close();
    redis.disconnect();
    throw error;
  }
}

const TROUBLE = (detail: string) => ({ part: 'temporal', detail });

function pumpObserver(metrics: Metrics, logger: Logger) {
  const told = metrics.counter('command_signals', 'Words of twins to the workflows of their commands.', ['outcome']);
  let isTroubled = false;
  let isLossKnown = false;
  return {
    onTold: (outcome: Telling) => {
      isTroubled = false;
      if (outcome === 'startedAgain' && !isLossKnown) {
        isLossKnown = true;
        logger.warn('Temporal knows nothing of commands that go on: their workflows are started again');
      }
      told.inc({ outcome });
    },
    onTrouble: (detail: string) => {
      // Once per outage: the pump tries again all the time.
      if (!isTroubled) logger.warn({ detail }, 'words of twins cannot be told to their workflows');
      isTroubled = true;
    },
  };
}

import { mkdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join, resolve } from 'node:path';

import { embeddedClickhouseSettings, platformSettings, readSettings } from '@breakwater/config';
import { createLogger, Metrics, type Logger, type RunningProcess } from '@breakwater/observability';

import { BodyFile } from './body-file.ts';
import { ChdbEngine } from './chdb-engine.ts';
import { BodyBudget } from './http-body.ts';
import { startHttpServer } from './http-server.ts';
import { holdBackMerges } from './merge-threads.ts';
import { watchServerQueues } from './server-queues.ts';
import { StatementRunner } from './statement-runner.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export function embeddedLogger(env: Environment): Logger {
  return createLogger('embedded-clickhouse', env['LOG_LEVEL'] ?? 'info');
}

/** Opens the data folder and serves it until it is stopped. */
export async function startEmbeddedClickhouse(env: Environment, logger: Logger): Promise<RunningProcess> {
  const platform = readSettings(platformSettings, env);
  const settings = readSettings(embeddedClickhouseSettings, env);
  // Before the engine makes its threads: a thread takes its niceness from the one that makes it.
  setPriority(settings.niceness);
  const folder = join(resolve(platform.dataDir), 'clickhouse');
  mkdirSync(folder, { recursive: true });
  const bodyFile = await BodyFile.open(folder);
  const engine = ChdbEngine.open({ folder, memoryBytesMax: settings.memoryBytesMax, bodyFile });
  const stopLooking = holdBackMerges(settings.mergeNiceness, logger);
  const metrics = new Metrics('embedded-clickhouse');
  const runner = new StatementRunner(engine, settings);
  const budget = new BodyBudget(settings.queueBytesMax);
  const queues = watchServerQueues({ settings, metrics, runner, budget });
  const server = await startHttpServer({
    port: settings.port,
    runner,
    logger,
    metrics,
    bodyBytesMax: settings.bodyBytesMax,
    budget,
    user: platform.clickhouseUser,
    password: platform.clickhousePassword,
  });
  queues.start();
  return {
    ports: { clickhouse: server.port },
    stop: async () => {
      stopLooking();
      queues.stop();
      await server.close();
      engine.close();
      await bodyFile?.close();
    },
  };
}

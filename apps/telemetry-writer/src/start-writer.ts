import 'reflect-metadata';

import { type Logger, Metrics, type RunningProcess, startHealthServer } from '@breakwater/observability';
import { NestFactory } from '@nestjs/core';

import type { WriterSettings } from './read-writer-settings.ts';
import { connectWriterPorts } from './redis-writer-ports.ts';
import { WriterModule } from './writer.module.ts';
import { WriterService } from './writer-service.ts';

/** Connects, starts to write, and answers how to stop. */
export async function startWriter(settings: WriterSettings, logger: Logger): Promise<RunningProcess> {
  const metrics = new Metrics('telemetry-writer');
  const { ports, close } = await connectWriterPorts(settings, logger);
  try {
    const context = await NestFactory.createApplicationContext(
      WriterModule.register({ settings, ports, metrics, logger }),
      { logger: false, abortOnError: false },
    );
    const writer = context.get(WriterService);
    const health = await startHealthServer({
      host: settings.metricsHost,
      port: settings.metricsPort,
      metrics,
      readiness: () => writer.readiness(),
    });
    // Another owner, or a log that is not the plan's: a supervisor starts this process anew, which settles first.
    writer.start(() => process.exit(1));
    return {
      ports: { metrics: health.port },
      stop: async () => {
        await writer.stop();
        await health.close();
        await context.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

import 'reflect-metadata';

import { temporalHealth, type TemporalHealth } from '@breakwater/adapter-temporal';
import {
  type Logger,
  Metrics,
  type Readiness,
  type RunningProcess,
  startHealthServer,
} from '@breakwater/observability';
import { NestFactory } from '@nestjs/core';

import { Gateway } from './gateway.ts';
import { GatewayModule } from './gateway.module.ts';
import type { GatewaySettings } from './read-gateway-settings.ts';
import { connectRedisPorts } from './redis-gateway-ports.ts';

/** Connects, listens, and answers how to stop. */
export async function startGateway(settings: GatewaySettings, logger: Logger): Promise<RunningProcess> {
  const metrics = new Metrics('gateway');
  const { ports, close } = await connectRedisPorts(settings, logger);
  try {
    const context = await NestFactory.createApplicationContext(
      GatewayModule.register({ settings, ports, metrics, logger }),
      { logger: false, abortOnError: false },
    );
    const gateway = context.get(Gateway);
    const temporal = temporalHealth(settings);
    const health = await startHealthServer({
      host: settings.metricsHost,
      port: settings.metricsPort,
      metrics,
      readiness: () => withTemporal(gateway.readiness(), temporal),
    });
    const mqttPorts = await gateway.start();
    // What certificate tools send after they have written new files. Without TLS the signal ends the process as ever.
    const reload = (): void => void gateway.reloadCertificate();
    if (settings.tlsCertFile !== '') process.on('SIGHUP', reload);
    return {
      ports: { ...mqttPorts, metrics: health.port },
      stop: async () => {
        process.off('SIGHUP', reload);
        await gateway.stop();
        await health.close();
        await context.close();
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Named beside what the gateway itself leans on, and never more than that: events flow without Temporal. */
async function withTemporal(readiness: Readiness, temporal: TemporalHealth): Promise<Readiness> {
  const detail = await temporal.trouble();
  return detail === null
    ? readiness
    : { ...readiness, degraded: [...readiness.degraded, { part: 'temporal', detail }] };
}

import {
  checkInstallation,
  connectRedis,
  RedisCommandHints,
  RedisCommandSignals,
  RedisDownlinkChannel,
  RedisOperationAnswers,
  RedisSessionDirectory,
  RedisTelemetryHints,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import { openLogEngine } from '@breakwater/log-engine';
import type { Logger } from '@breakwater/observability';
import { systemClock, systemRandom } from '@breakwater/twin-runtime';

import type { WorkerSettings } from './read-worker-settings.ts';
import type { WorkerPorts } from './worker-ports.ts';

export interface ConnectedPorts {
  readonly ports: WorkerPorts;
  close(): void;
}

/**
 * The worker's ports on Redis and on the engine of the log. Commits have a connection of their own, so that nothing
 * else stands in their way.
 */
export async function connectRedisPorts(settings: WorkerSettings, logger: Logger): Promise<ConnectedPorts> {
  const commits = await connectRedis(settings.redisUrl, { logger, name: 'worker-commits' });
  const others = await connectRedis(settings.redisUrl, { logger, name: 'worker' });
  const engine = openLogEngine(settings, 'breakwater-twin-worker');
  const close = (): void => {
    commits.disconnect();
    others.disconnect();
    void engine.close();
  };
  try {
    await checkInstallation(others, settings);
    await engine.check();
  } catch (error) {
    close();
    throw error;
  }
  const log = engine.open(others);
  const changes = engine.openChanges(others, settings);
  return {
    ports: {
      log,
      store: new RedisTwinStore({ redis: commits, ...settings }),
      membershipOf: (memberId) => engine.membershipOf(others, { memberId, leaseTtlMs: settings.leaseTtlMs }),
      directory: new RedisSessionDirectory(others),
      downlinks: new RedisDownlinkChannel({
        redis: others,
        noticesMax: settings.downlinkNoticesMax,
        bytesMax: settings.downlinkBytesMax,
      }),
      changes,
      answers: new RedisOperationAnswers(others),
      commandSignals: new RedisCommandSignals({ redis: others, signalsMax: settings.commandSignalsMax }),
      commandHints: new RedisCommandHints(others),
      hints: new RedisTelemetryHints(others),
      clock: systemClock,
      random: systemRandom,
    },
    close: () => {
      log.close();
      changes.close();
      close();
    },
  };
}

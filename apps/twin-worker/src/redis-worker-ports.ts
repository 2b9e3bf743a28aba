import {
  checkInstallation,
  connectRedis,
  openEventLog,
  RedisChangeFeed,
  RedisCommandHints,
  RedisCommandSignals,
  RedisDownlinkChannel,
  RedisOperationAnswers,
  RedisPartitionLeases,
  RedisSessionDirectory,
  RedisTelemetryHints,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import type { Logger } from '@breakwater/observability';
import { LeasedMembership, systemClock, systemRandom } from '@breakwater/twin-runtime';

import type { WorkerSettings } from './read-worker-settings.ts';
import type { WorkerPorts } from './worker-ports.ts';

export interface ConnectedPorts {
  readonly ports: WorkerPorts;
  close(): void;
}

/** The worker's ports on Redis. Commits have a connection of their own, so that nothing else stands in their way. */
export async function connectRedisPorts(settings: WorkerSettings, logger: Logger): Promise<ConnectedPorts> {
  const commits = await connectRedis(settings.redisUrl, { logger, name: 'worker-commits' });
  const others = await connectRedis(settings.redisUrl, { logger, name: 'worker' });
  const close = (): void => {
    commits.disconnect();
    others.disconnect();
  };
  try {
    await checkInstallation(others, settings);
  } catch (error) {
    close();
    throw error;
  }
  const log = openEventLog(others, settings);
  return {
    ports: {
      log,
      store: new RedisTwinStore({ redis: commits, ...settings }),
      membershipOf: (memberId) =>
        new LeasedMembership({ ...settings, leases: new RedisPartitionLeases(others), memberId, clock: systemClock }),
      directory: new RedisSessionDirectory(others),
      downlinks: new RedisDownlinkChannel({
        redis: others,
        noticesMax: settings.downlinkNoticesMax,
        bytesMax: settings.downlinkBytesMax,
      }),
      changes: new RedisChangeFeed({
        redis: others,
        entriesKept: settings.changesEntriesKept,
        bytesKept: settings.changesBytesKept,
      }),
      answers: new RedisOperationAnswers(others),
      commandSignals: new RedisCommandSignals({ redis: others, signalsMax: settings.commandSignalsMax }),
      commandHints: new RedisCommandHints(others),
      hints: new RedisTelemetryHints(others),
      clock: systemClock,
      random: systemRandom,
    },
    close: () => {
      log.close();
      close();
    },
  };
}

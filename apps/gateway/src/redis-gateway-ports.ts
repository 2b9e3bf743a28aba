import {
  checkInstallation,
  connectRedis,
  RedisBanList,
  RedisDeviceRegistry,
  RedisDownlinkChannel,
  RedisRefusalCounts,
  RedisSessionDirectory,
  RedisTenantTrustStore,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import { openLogEngine } from '@breakwater/log-engine';
import type { Logger } from '@breakwater/observability';
import { systemClock, systemRandom } from '@breakwater/twin-runtime';

import type { GatewayPorts } from './gateway-ports.ts';
import type { GatewaySettings } from './read-gateway-settings.ts';
import { archivedBytesMax } from './session/stored/session-options.ts';

export interface ConnectedPorts {
  readonly ports: GatewayPorts;
  close(): void;
}

/**
 * The gateway's ports on Redis and on the engine of the log. Appends have a connection of their own, so that nothing
 * else stands in their way.
 */
export async function connectRedisPorts(settings: GatewaySettings, logger: Logger): Promise<ConnectedPorts> {
  const appends = await connectRedis(settings.redisUrl, { logger, name: 'gateway-appends' });
  const others = await connectRedis(settings.redisUrl, { logger, name: 'gateway' });
  const engine = openLogEngine(settings, 'breakwater-gateway');
  const close = (): void => {
    appends.disconnect();
    others.disconnect();
    // What is under way is given up: whoever appended it is closed unacknowledged.
    void engine.close();
  };
  try {
    await checkInstallation(others, settings);
    await engine.check();
  } catch (error) {
    close();
    throw error;
  }
  const downlinks = new RedisDownlinkChannel({
    redis: others,
    noticesMax: settings.downlinkNoticesMax,
    bytesMax: settings.downlinkBytesMax,
  });
  const directory = new RedisSessionDirectory(others, { archivedBytesMax: archivedBytesMax(settings) });
  const log = engine.open(appends);
  const tailLog = engine.open(others);
  return {
    ports: {
      log,
      tailLog,
      registry: new RedisDeviceRegistry(others),
      bans: new RedisBanList(others, settings),
      directory,
      archive: directory,
      trust: new RedisTenantTrustStore(others),
      downlinks,
      outbox: new RedisTwinStore({ redis: others, ...settings }),
      refusals: new RedisRefusalCounts(others),
      clock: systemClock,
      random: systemRandom,
    },
    close: () => {
      downlinks.close();
      tailLog.close();
      log.close();
      close();
    },
  };
}

import {
  checkInstallation,
  connectRedis,
  RedisBanList,
  RedisCommandHints,
  RedisCommandIndex,
  RedisDeviceRegistry,
  RedisDownlinkChannel,
  RedisOperationAnswers,
  RedisRefusalCounts,
  RedisSessionDirectory,
  RedisTelemetryHints,
  RedisTenantTrustStore,
  RedisTwinStore,
} from '@breakwater/adapter-redis';
import { TemporalCommandWorkflows, temporalHealth } from '@breakwater/adapter-temporal';
import {
  apiSettings,
  eventLogSettings,
  kafkaSettings,
  platformSettings,
  protectionSettings,
  readSettings,
  redisSettings,
  SettingsInvalid,
  type SettingsOf,
  temporalSettings,
} from '@breakwater/config';
import { laneBudgetsOf, type LogEngine, openLogEngine } from '@breakwater/log-engine';
import { type AuditLog, Metrics, type Logger, type RunningProcess } from '@breakwater/observability';
import { systemClock } from '@breakwater/twin-runtime';

import { createApiApplication } from './api-application.ts';
import { AUDIT_LOG, type ApiPorts } from './api-ports.ts';
import { connectTelemetry } from './clickhouse-ports.ts';

const settingGroup = {
  ...platformSettings,
  ...eventLogSettings,
  ...kafkaSettings,
  ...redisSettings,
  ...protectionSettings,
  ...apiSettings,
  ...temporalSettings,
};
type Settings = SettingsOf<typeof settingGroup>;
type Redis = Awaited<ReturnType<typeof connectRedis>>;

/** Connects what the settings name, serves HTTP, and answers how to stop. */
export async function startApi(env: NodeJS.ProcessEnv, logger: Logger): Promise<RunningProcess> {
  const settings = readSettings(settingGroup, env);
  if (settings.adminApiKey === '')
    throw new SettingsInvalid('ADMIN_API_KEY is needed: any text of 16 characters or more');
  const redis = await connectRedis(settings.redisUrl, { logger, name: 'api' });
  const engine = openLogEngine(settings, 'breakwater-api');
  const { ports, close } = connectPorts(settings, redis, engine);
  try {
    await checkInstallation(redis, settings);
    await engine.check();
    const options = { ...settings, laneBytesMax: laneBudgetsOf(settings) };
    const app = await createApiApplication({ ports, options, metrics: new Metrics('api'), logger });
    await app.listen(settings.httpPort, settings.bindHost);
    const stop = async (): Promise<void> => {
      await app.close();
      app.get<AuditLog>(AUDIT_LOG).close();
      await close();
    };
    return { ports: { http: settings.httpPort }, stop };
  } catch (error) {
    await close();
    throw error;
  }
}

function connectPorts(
  settings: Settings,
  redis: Redis,
  engine: LogEngine,
): { ports: ApiPorts; close: () => Promise<void> } {
  const { commitTwinsMax, commitBytesMax } = settings;
  const log = engine.open(redis);
  const answers = new RedisOperationAnswers(redis);
  const changes = engine.openChanges(redis, settings);
  const downlinks = new RedisDownlinkChannel({
    redis,
    noticesMax: settings.downlinkNoticesMax,
    bytesMax: settings.downlinkBytesMax,
  });
  const telemetryHints = new RedisTelemetryHints(redis);
  const commandHints = new RedisCommandHints(redis);
  const commandWorkflows = new TemporalCommandWorkflows(settings);
  const telemetry = connectTelemetry(settings);
  const ports: ApiPorts = {
    clock: systemClock,
    registry: new RedisDeviceRegistry(redis),
    trust: new RedisTenantTrustStore(redis),
    log,
    twins: new RedisTwinStore({ redis, commitTwinsMax, commitBytesMax }),
    bans: new RedisBanList(redis, settings),
    holders: engine.holders(redis),
    sessions: new RedisSessionDirectory(redis),
    downlinks,
    changes,
    telemetryHints,
    answers,
    commandIndex: new RedisCommandIndex(redis),
    commandHints,
    commandWorkflows,
    telemetry: telemetry.reader,
    writerLedger: telemetry.writerLedger,
    refusals: new RedisRefusalCounts(redis),
    temporal: temporalHealth(settings),
  };
  const close = async (): Promise<void> => {
    answers.close();
    changes.close();
    telemetryHints.close();
    commandHints.close();
    log.close();
    downlinks.close();
    redis.disconnect();
    await Promise.all([telemetry.close(), commandWorkflows.close(), engine.close()]);
  };
  return { ports, close };
}

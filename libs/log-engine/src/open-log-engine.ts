import { KafkaLogEngine } from './kafka-log-engine.ts';
import type { LogEngine, LogEngineSettings } from './log-engine.ts';
import { RedisLogEngine } from './redis-log-engine.ts';

/** `clientName` is how the process is called in Kafka's logs and quotas. */
export function openLogEngine(settings: LogEngineSettings, clientName: string): LogEngine {
  return settings.eventLog === 'kafka' ? new KafkaLogEngine(settings, clientName) : new RedisLogEngine(settings);
}

import { eventLogSettings, kafkaSettings, platformSettings, readSettings } from '@breakwater/config';
import { createKafkaTopics } from '@breakwater/log-engine';

import type { Terminal } from '../terminal.ts';

/**
 * Before the first start on a Kafka: every process refuses to start without its topics. Repeated without effect.
 * @throws PlatformError `TOPIC_MISMATCH`
 */
export async function logTopicsCommand(
  env: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
): Promise<number> {
  const settings = readSettings({ ...platformSettings, ...eventLogSettings, ...kafkaSettings }, env);
  const made = await createKafkaTopics(settings, 'breakwater-cli');
  for (const topic of made) terminal.line(`made ${topic} with ${settings.partitionCount} partitions`);
  if (made.length === 0) terminal.line('all topics are there, and as they must be');
  return 0;
}

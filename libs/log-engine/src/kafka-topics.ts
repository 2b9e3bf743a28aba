import { checkTopics, createTopics, type KafkaConnectionOptions, type TopicPlan } from '@breakwater/adapter-kafka';

import { kafkaConnectionOf } from './kafka-connection-of.ts';
import type { LogEngineSettings } from './log-engine.ts';

type PlannedBy = Omit<LogEngineSettings, 'eventLog'>;

/** Makes the topics that are missing, and checks all of them. Answers the names of those that were made. */
export async function createKafkaTopics(settings: PlannedBy, clientName: string): Promise<readonly string[]> {
  return createTopics(kafkaConnectionOf(settings, clientName), topicPlanOf(settings));
}

/** @throws PlatformError `TOPIC_MISMATCH` when topics are not those of this installation */
export async function checkKafkaTopics(connection: KafkaConnectionOptions, settings: PlannedBy): Promise<void> {
  await checkTopics(connection, topicPlanOf(settings));
}

function topicPlanOf(settings: PlannedBy): TopicPlan {
  const { kafkaRetentionMs: retentionMs } = settings;
  return {
    prefix: settings.kafkaTopicPrefix,
    partitionCount: settings.partitionCount,
    replicationFactor: settings.kafkaReplicationFactor,
    minInsyncReplicas: settings.kafkaMinInsyncReplicas,
    retentionMs: { control: retentionMs, telemetry: retentionMs, changes: retentionMs },
    frameBytesMax: settings.frameBytesMax,
  };
}

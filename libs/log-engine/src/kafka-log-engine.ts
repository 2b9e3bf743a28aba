import {
  KafkaChangeFeed,
  KafkaEventLog,
  KafkaGroupMembership,
  KafkaLagMarks,
  KafkaPartitionHolders,
  type KafkaConnectionOptions,
} from '@breakwater/adapter-kafka';
import { type PartitionHolders, type PartitionMembership, systemClock } from '@breakwater/twin-runtime';

import { kafkaConnectionOf } from './kafka-connection-of.ts';
import type {
  ChangeFeedSettings,
  LagMarks,
  LogEngine,
  LogEngineSettings,
  OpenChangeFeed,
  OpenLog,
} from './log-engine.ts';
import { checkKafkaTopics } from './kafka-topics.ts';

/** The `consumer` protocol has its session time-out from the broker: this is Kafka's own, where it may not be asked. */
const BROKER_SESSION_TIMEOUT_MS = 45_000;

/** Kafka for the log, and its consumer group to share the partitions out. */
export class KafkaLogEngine implements LogEngine {
  readonly isTrimmedByUs = false;
  readonly #settings: LogEngineSettings;
  readonly #connection: KafkaConnectionOptions;
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(settings: LogEngineSettings, clientName: string) {
    this.#settings = settings;
    this.#connection = kafkaConnectionOf(settings, clientName);
  }

  async check(): Promise<void> {
    await checkKafkaTopics(this.#connection, this.#settings);
  }

  open(): OpenLog {
    const { kafkaTopicPrefix: topicPrefix, kafkaCompression: compression, frameBytesMax } = this.#settings;
    return KafkaEventLog.open({ connection: this.#connection, topicPrefix, compression, frameBytesMax });
  }

  openChanges(_redis: unknown, { changesEntriesKept: entriesKept }: ChangeFeedSettings): OpenChangeFeed {
    const { kafkaTopicPrefix: topicPrefix, kafkaCompression: compression, frameBytesMax } = this.#settings;
    return new KafkaChangeFeed({ connection: this.#connection, topicPrefix, compression, frameBytesMax, entriesKept });
  }

  membershipOf(_redis: unknown, { memberId }: { memberId: string }): PartitionMembership {
    const settings = this.#settings;
    return new KafkaGroupMembership({
      ...this.#group(),
      connection: { ...this.#connection, clientId: memberId },
      partitionCount: settings.partitionCount,
      sessionTimeoutMs:
        settings.kafkaGroupProtocol === 'consumer' ? BROKER_SESSION_TIMEOUT_MS : settings.kafkaSessionTimeoutMs,
      offsetsIntervalMs: settings.kafkaOffsetsIntervalMs,
      clock: systemClock,
    });
  }

  holders(): PartitionHolders {
    const holders = new KafkaPartitionHolders({ ...this.#group(), connection: this.#connection });
    this.#closing.push(() => holders.close());
    return holders;
  }

  lagMarks(consumer: string): LagMarks {
    const { kafkaTopicPrefix: topicPrefix, kafkaOffsetsIntervalMs: intervalMs } = this.#settings;
    const groupId = `${topicPrefix}.${consumer}`;
    const marks = new KafkaLagMarks({ connection: this.#connection, groupId, topicPrefix });
    this.#closing.push(() => marks.close());
    return { intervalMs, mark: (positions) => marks.mark(positions) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.map((close) => close()));
  }

  #group(): { groupId: string; topicPrefix: string; protocol: LogEngineSettings['kafkaGroupProtocol'] } {
    const { kafkaTopicPrefix: topicPrefix, kafkaWorkerGroup, kafkaGroupProtocol: protocol } = this.#settings;
    return { groupId: kafkaWorkerGroup || `${topicPrefix}.twins`, topicPrefix, protocol };
  }
}

import { assert, type LogId, type Partition } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import { Admin, type Broker } from '@platformatic/kafka';

import { kafkaClientOptions, type KafkaConnectionOptions } from '../kafka-connection.ts';
import { topicName, type TopicRole } from '../topic-names.ts';

export interface Leader extends Broker {
  readonly nodeId: number;
}

export interface LogTopologyOptions extends KafkaConnectionOptions {
  readonly topicPrefix: string;
  /** Of these topics. */
  readonly roles: readonly TopicRole[];
}

interface KnownTopic {
  readonly id: string;
  readonly leaders: readonly (Leader | null)[];
}

/** Whoever finds a leader gone asks again; more often than this nothing new can be learned. */
const REFRESH_INTERVAL_MS = 100;
const METADATA = { retries: 5, retryDelay: 200, connectTimeout: 3_000, requestTimeout: 3_000 };

/** Where the partitions of some topics are, as far as it is known, and the ids of those. */
export class LogTopology {
  readonly #admin: Admin;
  readonly #names: ReadonlyMap<TopicRole, string>;
  #topics: ReadonlyMap<TopicRole, KnownTopic> | null = null;
  #refreshing: Promise<void> | null = null;
  #refreshedAtMs = -Infinity;

  constructor(options: LogTopologyOptions) {
    this.#admin = new Admin({ ...kafkaClientOptions(options), ...METADATA });
    this.#names = new Map(options.roles.map((role) => [role, topicName(options.topicPrefix, role)]));
  }

  get admin(): Admin {
    return this.#admin;
  }

  topicOf(role: TopicRole): string {
    const name = this.#names.get(role);
    assert(name !== undefined, 'a topology is asked for its own topics');
    return name;
  }

  async topicIdOf(role: TopicRole): Promise<string> {
    return this.#topicIn(await this.#known(), role).id;
  }

  /** Both lanes' topics: either of them made anew is another log. */
  async logId(): Promise<LogId> {
    await this.refresh();
    const [control, telemetry] = [await this.topicIdOf('control'), await this.topicIdOf('telemetry')];
    return `kafka.${control}.${telemetry}` as LogId;
  }

  /** Null while the partition has none. */
  async leaderOf(role: TopicRole, partition: Partition): Promise<Leader | null> {
    return this.#leaderIn(await this.#known(), role, partition);
  }

  /** What was known last; null before the first refresh too. */
  knownLeaderOf(role: TopicRole, partition: Partition): Leader | null {
    return this.#topics === null ? null : this.#leaderIn(this.#topics, role, partition);
  }

  /**
   * Asks the brokers again. Calls that overlap, or follow closely, share one answer.
   * @throws PlatformError `LOG_CHANGED` when a lane's topic is not the one that it was
   */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }

  async #known(): Promise<ReadonlyMap<TopicRole, KnownTopic>> {
    if (this.#topics === null) await this.refresh();
    return this.#topics!;
  }

  #topicIn(topics: ReadonlyMap<TopicRole, KnownTopic>, role: TopicRole): KnownTopic {
    const topic = topics.get(role);
    assert(topic !== undefined, 'a topology is asked for its own topics');
    return topic;
  }

  #leaderIn(topics: ReadonlyMap<TopicRole, KnownTopic>, role: TopicRole, partition: Partition): Leader | null {
    const { leaders } = this.#topicIn(topics, role);
    if (partition >= leaders.length) {
      const topic = this.topicOf(role);
      throw new PlatformError('TOPIC_MISMATCH', `topic ${topic} has no partition ${partition}`, {
        details: { topic, partition, partitions: leaders.length },
      });
    }
    return leaders[partition] ?? null;
  }

  async #refresh(): Promise<void> {
    const waitMs = this.#refreshedAtMs + REFRESH_INTERVAL_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const { topics, brokers } = await this.#admin.metadata({ topics: [...this.#names.values()], forceUpdate: true });
    this.#refreshedAtMs = performance.now();
    const found = Array.from(this.#names, ([role, name]): [TopicRole, KnownTopic] => {
      const topic = topics.get(name);
      if (topic === undefined) throw new PlatformError('TOPIC_MISMATCH', `there is no topic ${name}`);
      const known = this.#topics?.get(role)?.id;
      // Twins have positions in the lanes; a feed of changes that began anew is another feed, and nothing is wrong.
      if (known !== undefined && known !== topic.id && role !== 'changes') {
        const message = `topic ${name} was made anew: it is ${topic.id}, and this process began on ${known}`;
        throw new PlatformError('LOG_CHANGED', message, { details: { topic: name } });
      }
      const leaders = topic.partitions.map(({ leader }) => {
        const broker = brokers.get(leader);
        return broker === undefined ? null : { nodeId: leader, host: broker.host, port: broker.port };
      });
      return [role, { id: topic.id, leaders }];
    });
    this.#topics = new Map(found);
  }
}

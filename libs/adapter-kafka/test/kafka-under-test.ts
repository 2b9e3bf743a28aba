import {
  createTopics,
  KafkaChangeFeed,
  type KafkaChangeFeedOptions,
  KafkaEventLog,
  type KafkaEventLogOptions,
  type TopicPlan,
} from '../src/index.ts';
import { KafkaCluster, type KafkaClusterOptions } from '../src/testing/index.ts';

const FRAME_BYTES_MAX = 64 * 1024;
const ENTRIES_KEPT = 1_000;
const DAY_MS = 86_400_000;

export interface LogUnderTestOptions extends Partial<KafkaEventLogOptions> {
  readonly partitionCount?: number;
}

/** Brokers that a suite shares, and logs on topics of their own. */
export class KafkaUnderTest {
  readonly #options: KafkaClusterOptions;
  #cluster: KafkaCluster | null = null;
  #prefixes = 0;

  constructor(options: KafkaClusterOptions = {}) {
    this.#options = options;
  }

  get cluster(): KafkaCluster {
    if (this.#cluster === null) throw new Error('the brokers are not started');
    return this.#cluster;
  }

  /** `onAddress` hears where the first broker will listen, before it starts. */
  async start(onAddress: (address: string) => void = () => undefined): Promise<void> {
    this.#cluster = await KafkaCluster.start({ ...this.#options, onAddress });
  }

  async stop(): Promise<void> {
    await this.#cluster?.stop();
  }

  plan(more: Partial<TopicPlan> = {}): TopicPlan {
    this.#prefixes += 1;
    const brokers = this.cluster.brokers.length;
    return {
      prefix: `suite-${this.#prefixes}`,
      partitionCount: 2,
      replicationFactor: brokers,
      minInsyncReplicas: Math.min(2, brokers),
      retentionMs: { control: DAY_MS, telemetry: DAY_MS, changes: DAY_MS },
      frameBytesMax: FRAME_BYTES_MAX,
      ...more,
    };
  }

  /** On topics that nobody has used, unless a prefix is given. */
  async emptyFeed({ topicPrefix, ...more }: Partial<KafkaChangeFeedOptions> = {}): Promise<KafkaChangeFeed> {
    const plan = this.plan(topicPrefix === undefined ? {} : { prefix: topicPrefix });
    const connection = { brokers: this.cluster.bootstrap, clientId: 'feed-under-test' };
    await createTopics(connection, plan);
    return new KafkaChangeFeed({
      ...{ connection, topicPrefix: plan.prefix, compression: 'lz4', frameBytesMax: FRAME_BYTES_MAX },
      ...{ entriesKept: ENTRIES_KEPT, answerWithinMs: 30_000, ...more },
    });
  }

  /** On topics that nobody has used, unless a prefix is given. */
  async emptyLog({ partitionCount = 2, ...more }: LogUnderTestOptions = {}): Promise<KafkaEventLog> {
    const { topicPrefix, frameBytesMax = FRAME_BYTES_MAX } = more;
    const plan = this.plan({
      partitionCount,
      frameBytesMax,
      ...(topicPrefix === undefined ? {} : { prefix: topicPrefix }),
    });
    const connection = { brokers: this.cluster.bootstrap, clientId: 'log-under-test' };
    await createTopics(connection, plan);
    return KafkaEventLog.open({
      connection,
      topicPrefix: plan.prefix,
      compression: 'lz4',
      frameBytesMax: FRAME_BYTES_MAX,
      trims: true,
      answerWithinMs: 30_000,
      ...more,
    });
  }
}

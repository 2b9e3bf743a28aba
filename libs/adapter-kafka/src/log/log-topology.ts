import type { LogId, Partition } from '@breakwater/twin';
import { type Lane, LANES, PlatformError } from '@breakwater/twin-runtime';
import { Admin, type Broker } from '@platformatic/kafka';

import { kafkaClientOptions, type KafkaConnectionOptions } from '../kafka-connection.ts';
import { topicName } from '../topic-names.ts';

export interface Leader extends Broker {
  readonly nodeId: number;
}

export interface LogTopologyOptions extends KafkaConnectionOptions {
  readonly topicPrefix: string;
}

interface LaneTopic {
  readonly id: string;
  readonly leaders: readonly (Leader | null)[];
}

/** Whoever finds a leader gone asks again; more often than this nothing new can be learned. */
const REFRESH_INTERVAL_MS = 100;
const METADATA = { retries: 5, retryDelay: 200, connectTimeout: 3_000, requestTimeout: 3_000 };

/** Where the partitions of both lanes are, as far as it is known, and the ids of their topics. */
export class LogTopology {
  readonly #admin: Admin;
  readonly #topics: Readonly<Record<Lane, string>>;
  #lanes: Readonly<Record<Lane, LaneTopic>> | null = null;
  #refreshing: Promise<void> | null = null;
  #refreshedAtMs = -Infinity;

  constructor(options: LogTopologyOptions) {
    this.#admin = new Admin({ ...kafkaClientOptions(options), ...METADATA });
    this.#topics = {
      control: topicName(options.topicPrefix, 'control'),
      telemetry: topicName(options.topicPrefix, 'telemetry'),
    };
  }

  get admin(): Admin {
    return this.#admin;
  }

  topicOf(lane: Lane): string {
    return this.#topics[lane];
  }

  laneOf(topic: string): Lane | undefined {
    return LANES.find((lane) => this.#topics[lane] === topic);
  }

  async topicIdOf(lane: Lane): Promise<string> {
    return (await this.#known())[lane].id;
  }

  /** Both lanes' topics: either of them made anew is another log. */
  async logId(): Promise<LogId> {
    await this.refresh();
    const { control, telemetry } = await this.#known();
    return `kafka.${control.id}.${telemetry.id}` as LogId;
  }

  /** Null while the partition has none. */
  async leaderOf(lane: Lane, partition: Partition): Promise<Leader | null> {
    return this.#leaderIn(await this.#known(), lane, partition);
  }

  /** What was known last; null before the first refresh too. */
  knownLeaderOf(lane: Lane, partition: Partition): Leader | null {
    return this.#lanes === null ? null : this.#leaderIn(this.#lanes, lane, partition);
  }

  /**
   * Asks the brokers again. Calls that overlap, or follow closely, share one answer.
   * @throws PlatformError `LOG_CHANGED` when a topic is not the one that it was
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

  async #known(): Promise<Readonly<Record<Lane, LaneTopic>>> {
    if (this.#lanes === null) await this.refresh();
    return this.#lanes!;
  }

  #leaderIn(lanes: Readonly<Record<Lane, LaneTopic>>, lane: Lane, partition: Partition): Leader | null {
    const { leaders } = lanes[lane];
    if (partition >= leaders.length) {
      throw new PlatformError('TOPIC_MISMATCH', `topic ${this.#topics[lane]} has no partition ${partition}`, {
        details: { topic: this.#topics[lane], partition, partitions: leaders.length },
      });
    }
    return leaders[partition] ?? null;
  }

  async #refresh(): Promise<void> {
    const waitMs = this.#refreshedAtMs + REFRESH_INTERVAL_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const names = LANES.map((lane) => this.#topics[lane]);
    const { topics, brokers } = await this.#admin.metadata({ topics: names, forceUpdate: true });
    this.#refreshedAtMs = performance.now();
    const laneTopic = (lane: Lane): LaneTopic => {
      const topic = topics.get(this.#topics[lane]);
      if (topic === undefined) throw new PlatformError('TOPIC_MISMATCH', `there is no topic ${this.#topics[lane]}`);
      const known = this.#lanes?.[lane].id;
      if (known !== undefined && known !== topic.id) {
        const message = `topic ${this.#topics[lane]} was made anew: it is ${topic.id}, and this process began on ${known}`;
        throw new PlatformError('LOG_CHANGED', message, { details: { topic: this.#topics[lane] } });
      }
      const leaders = topic.partitions.map(({ leader }) => {
        const broker = brokers.get(leader);
        return broker === undefined ? null : { nodeId: leader, host: broker.host, port: broker.port };
      });
      return { id: topic.id, leaders };
    };
    this.#lanes = { control: laneTopic('control'), telemetry: laneTopic('telemetry') };
  }
}

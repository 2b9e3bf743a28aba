import type { Partition } from '@breakwater/twin';
import { offsetCommitV8 } from '@platformatic/kafka';

import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import { kafkaAway } from '../kafka-failure.ts';
import { topicName } from '../topic-names.ts';
import { GroupCoordinator, type GroupLink } from './group-coordinator.ts';
import { QUICK_CALL_TIMEOUT_MS } from './group-protocol.ts';
import { offsetCommitTopics } from './offset-commit-topics.ts';

export interface KafkaLagMarksOptions {
  readonly connection: KafkaConnectionOptions;
  readonly groupId: string;
  readonly topicPrefix: string;
}

const NO_GENERATION = -1;
const NO_MEMBER = '';

/**
 * Committed offsets of a consumer that has its positions elsewhere and is no member of any group: for tools that watch
 * lag. Nothing is read from them.
 */
export class KafkaLagMarks {
  readonly #options: KafkaLagMarksOptions;
  readonly #link: GroupLink;

  constructor(options: KafkaLagMarksOptions) {
    this.#options = options;
    this.#link = new GroupCoordinator(options.connection, options.groupId);
  }

  /** The next offsets of the telemetry lane. */
  async mark(positions: ReadonlyMap<Partition, number>): Promise<void> {
    const { groupId, topicPrefix } = this.#options;
    const topics = offsetCommitTopics(new Map([['telemetry' as const, positions]]), {
      topicOf: (lane) => topicName(topicPrefix, lane),
    });
    try {
      await this.#link.call({
        api: offsetCommitV8.api,
        args: [groupId, NO_GENERATION, NO_MEMBER, null, topics],
        timeoutMs: QUICK_CALL_TIMEOUT_MS,
      });
    } catch (error) {
      throw kafkaAway(error, `the offsets of group ${groupId}`);
    }
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}

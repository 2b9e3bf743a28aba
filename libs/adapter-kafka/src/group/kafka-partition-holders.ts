import type { Partition } from '@breakwater/twin';
import type { PartitionHolders } from '@breakwater/twin-runtime';
import { consumerGroupDescribeV0, decodeConsumerProtocolAssignment, describeGroupsV5 } from '@platformatic/kafka';

import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import { kafkaAway } from '../kafka-failure.ts';
import { topicName } from '../topic-names.ts';
import { GroupCoordinator, groupErrorOf, type GroupLink } from './group-coordinator.ts';
import { QUICK_CALL_TIMEOUT_MS } from './group-protocol.ts';
import type { GroupProtocolName } from './kafka-group-membership.ts';

export interface KafkaPartitionHoldersOptions {
  readonly connection: KafkaConnectionOptions;
  readonly groupId: string;
  readonly topicPrefix: string;
  readonly protocol: GroupProtocolName;
}

/** A classic group says who has what only while nothing is being rearranged. */
const SETTLED = new Set(['Stable', 'Empty', 'Dead']);

/** Which partitions some member of the group has, as its coordinator says. */
export class KafkaPartitionHolders implements PartitionHolders {
  readonly #options: KafkaPartitionHoldersOptions;
  readonly #topic: string;
  readonly #link: GroupLink;
  #known: ReadonlySet<number> = new Set();

  constructor(options: KafkaPartitionHoldersOptions) {
    this.#options = options;
    this.#topic = topicName(options.topicPrefix, 'telemetry');
    this.#link = new GroupCoordinator(options.connection, options.groupId);
  }

  async held(partitions: readonly Partition[]): Promise<readonly boolean[]> {
    const { protocol, groupId } = this.#options;
    const asked = protocol === 'consumer' ? this.#assignedByBroker() : this.#assignedByLeader();
    const held = await asked.catch((error: unknown) => {
      throw kafkaAway(error, `who works in group ${groupId}`);
    });
    // While shares are being rearranged members keep what they have, so what was known last still holds.
    if (held !== null) this.#known = held;
    return partitions.map((partition) => this.#known.has(partition));
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  async #assignedByLeader(): Promise<ReadonlySet<number> | null> {
    const { groups } = await this.#link.call({
      api: describeGroupsV5.api,
      args: [[this.#options.groupId], false],
      timeoutMs: QUICK_CALL_TIMEOUT_MS,
    });
    if (!groups.every(({ groupState }) => SETTLED.has(groupState))) return null;
    const assigned = groups
      .flatMap(({ members }) => members)
      .flatMap(({ memberAssignment }) => decodeConsumerProtocolAssignment(memberAssignment).assignedPartitions);
    return this.#ofTopic(assigned.map(({ topic, partitions }) => ({ topicName: topic, partitions })));
  }

  async #assignedByBroker(): Promise<ReadonlySet<number>> {
    try {
      const { groups } = await this.#link.call({
        api: consumerGroupDescribeV0.api,
        args: [[this.#options.groupId], false],
        timeoutMs: QUICK_CALL_TIMEOUT_MS,
      });
      const members = groups.flatMap((group) => group.members);
      return this.#ofTopic(members.flatMap(({ assignment }) => assignment.topicPartitions));
    } catch (error) {
      if (groupErrorOf(error) === 'GROUP_ID_NOT_FOUND') return new Set();
      throw error;
    }
  }

  #ofTopic(
    assigned: readonly { readonly topicName: string; readonly partitions: readonly number[] }[],
  ): ReadonlySet<number> {
    const ours = assigned.filter((each) => each.topicName === this.#topic);
    return new Set(ours.flatMap(({ partitions }) => [...partitions]));
  }
}

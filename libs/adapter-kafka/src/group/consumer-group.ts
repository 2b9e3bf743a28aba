import { randomUUID } from 'node:crypto';

import type { Partition } from '@breakwater/twin';
import type { StoreReach } from '@breakwater/twin-runtime';
import {
  ConfigResourceTypes,
  consumerGroupDescribeV0,
  consumerGroupHeartbeatV1,
  describeConfigsV4,
  metadataV12,
  offsetCommitV9,
} from '@platformatic/kafka';

import { groupErrorOf, type GroupLink } from './group-coordinator.ts';
import {
  type Beat,
  type FollowedOffsets,
  type GroupProtocol,
  type GroupProtocolOptions,
  QUICK_CALL_TIMEOUT_MS,
  REBALANCE_TIMEOUT_MS,
} from './group-protocol.ts';
import { offsetCommitTopics } from './offset-commit-topics.ts';

const JOINING = 0;
const LEAVING = -1;
const EXPELLED = ['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID'];
const SESSION_TIMEOUT = 'consumer.session.timeout.ms';

/**
 * Kafka's newer protocol (KIP-848): the broker assigns, and each heartbeat says what the member holds and brings what
 * it is to hold. The broker gives a partition to the next member when the last one's heartbeats name it no longer.
 *
 * The broker has no word for a member that cannot work. Such a one subscribes to nothing as long as somebody else does
 * subscribe, and is asked for all that it has.
 */
export class ConsumerGroup implements GroupProtocol {
  readonly #link: GroupLink;
  readonly #options: GroupProtocolOptions;
  readonly #memberId = randomUUID();
  #memberEpoch = JOINING;
  #topicId: string | null = null;
  #sessionTimeoutMs: number | null = null;
  #storeReach: StoreReach = 'here';
  #isSubscribed = true;

  constructor(link: GroupLink, options: GroupProtocolOptions) {
    this.#link = link;
    this.#options = options;
  }

  get isMember(): boolean {
    return this.#memberEpoch > JOINING;
  }

  get sessionTimeoutMs(): number {
    return this.#sessionTimeoutMs ?? this.#options.sessionTimeoutMs;
  }

  async beat(owned: ReadonlySet<Partition>): Promise<Beat> {
    const { nowMs, onHeard } = this.#options;
    const topicId = await this.#findTopic();
    this.#sessionTimeoutMs ??= await this.#askSessionTimeout();
    await this.#reconsider();
    const sentAtMs = nowMs();
    try {
      const held = this.#memberEpoch === JOINING || owned.size === 0 ? [] : [{ topicId, partitions: [...owned] }];
      const answer = await this.#heartbeat(this.#memberEpoch, held);
      onHeard(sentAtMs);
      this.#memberEpoch = answer.memberEpoch;
      if (answer.assignment === null) return { kind: 'unchanged' };
      const mine = answer.assignment.topicPartitions.filter((each) => each.topicId === topicId);
      return { kind: 'assigned', partitions: new Set(mine.flatMap(({ partitions }) => partitions as Partition[])) };
    } catch (error) {
      const code = groupErrorOf(error);
      if (code === null || !EXPELLED.includes(code)) throw error;
      this.#memberEpoch = JOINING;
      this.#sessionTimeoutMs = null;
      return { kind: 'expelled' };
    }
  }

  /** Every heartbeat says what is held. */
  released(): void {}

  /** Doubt changes nothing: the others cannot hear of it. */
  noteStoreReach(reach: StoreReach): boolean {
    this.#storeReach = reach;
    return this.#isSubscribed ? reach === 'away' : reach === 'here';
  }

  async commit(offsets: FollowedOffsets): Promise<void> {
    const { groupId } = this.#options;
    const topics = offsetCommitTopics(offsets, this.#options);
    await this.#link.call({
      api: offsetCommitV9.api,
      args: [groupId, this.#memberEpoch, this.#memberId, null, topics],
      timeoutMs: QUICK_CALL_TIMEOUT_MS,
    });
  }

  async leave(): Promise<void> {
    if (this.isMember) await this.#heartbeat(LEAVING, []);
  }

  #heartbeat(
    memberEpoch: number,
    held: { topicId: string; partitions: number[] }[],
  ): ReturnType<typeof consumerGroupHeartbeatV1.api.async> {
    const { groupId, topic } = this.#options;
    const topics = this.#isSubscribed ? [topic] : [];
    return this.#link.call({
      api: consumerGroupHeartbeatV1.api,
      args: [
        ...([groupId, this.#memberId, memberEpoch, null, null, REBALANCE_TIMEOUT_MS] as const),
        ...([topics, null, null, held] as [string[], null, null, { topicId: string; partitions: number[] }[]]),
      ],
      timeoutMs: QUICK_CALL_TIMEOUT_MS,
    });
  }

  /**
   * The last one that subscribes keeps everything, also when it cannot work: when the store is away for all, its shards
   * are where they start soonest. One that has given up its share takes none until it can work again, so that two who
   * give up at the same time do not do so again and again.
   */
  async #reconsider(): Promise<void> {
    if (this.#storeReach === 'here') this.#isSubscribed = true;
    if (this.#storeReach !== 'away' || !this.#isSubscribed) return;
    this.#isSubscribed = !(await this.#isAnotherSubscribed());
  }

  /** Not, as long as nobody answers that: then this member goes on as it is. */
  async #isAnotherSubscribed(): Promise<boolean> {
    const { groupId, topic } = this.#options;
    try {
      const { groups } = await this.#link.call({
        api: consumerGroupDescribeV0.api,
        args: [[groupId], false],
        timeoutMs: QUICK_CALL_TIMEOUT_MS,
      });
      const others = groups.flatMap(({ members }) => members).filter(({ memberId }) => memberId !== this.#memberId);
      return others.some(({ subscribedTopicNames }) => subscribedTopicNames.includes(topic));
    } catch {
      // What stands in the way is in the way of the heartbeat, too, which says so.
      return false;
    }
  }

  /** No heartbeat says it, and not every user may ask for it. */
  async #askSessionTimeout(): Promise<number> {
    const { groupId, sessionTimeoutMs } = this.#options;
    const resource = { resourceType: ConfigResourceTypes.GROUP, resourceName: groupId };
    try {
      const { results } = await this.#link.call({
        api: describeConfigsV4.api,
        args: [[{ ...resource, configurationKeys: [SESSION_TIMEOUT] }], false, false],
        timeoutMs: QUICK_CALL_TIMEOUT_MS,
      });
      const found = results.flatMap(({ configs }) => configs).find(({ name }) => name === SESSION_TIMEOUT);
      return Number(found?.value) || sessionTimeoutMs;
    } catch (error) {
      if (groupErrorOf(error) === null) throw error;
      return sessionTimeoutMs;
    }
  }

  async #findTopic(): Promise<string> {
    if (this.#topicId !== null) return this.#topicId;
    const { topic } = this.#options;
    const { topics } = await this.#link.call({
      api: metadataV12.api,
      args: [[topic], false, false],
      timeoutMs: QUICK_CALL_TIMEOUT_MS,
    });
    const found = topics.find(({ name }) => name === topic);
    if (found === undefined) throw new Error(`there is no topic ${topic}`);
    this.#topicId = found.topicId;
    return found.topicId;
  }
}

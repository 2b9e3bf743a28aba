import type { Partition } from '@breakwater/twin';
import type { StoreReach } from '@breakwater/twin-runtime';
import {
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
  findErrorBy,
  heartbeatV4,
  joinGroupV9,
  leaveGroupV5,
  offsetCommitV8,
  syncGroupV5,
} from '@platformatic/kafka';

import { type GroupCall, groupErrorOf, type GroupLink } from './group-coordinator.ts';
import {
  type Beat,
  type FollowedOffsets,
  type GroupProtocol,
  type GroupProtocolOptions,
  JOIN_CALL_TIMEOUT_MS,
  QUICK_CALL_TIMEOUT_MS,
  REBALANCE_TIMEOUT_MS,
} from './group-protocol.ts';
import { offsetCommitTopics } from './offset-commit-topics.ts';
import { type MemberClaim, stickyAssignment } from './sticky-assignment.ts';

type JoinAnswer = Awaited<ReturnType<typeof joinGroupV9.api.async>>;

const PROTOCOL_TYPE = 'consumer';
/** Kafka's name of this way to assign; what members tell each other has its format, so that Kafka's tools read it. */
const ASSIGNOR = 'cooperative-sticky';
/** The version of that format in which a member says what it owns and since when. */
const SUBSCRIPTION_VERSION = 2;
const NO_GENERATION = -1;

/** A member whose id means nothing to the group any more, or whose generation is over. */
const EXPELLED = ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'];

/**
 * Kafka's classic protocol with cooperative rebalancing: a member keeps everything while the group is rearranged, says
 * on joining what it owns, and joins again when it has handed over what it was not given.
 *
 *     join ──▶ sync ──▶ beat … beat ──"rebalance"──▶ join ──▶ sync ──▶ …      any ──"unknown"──▶ expelled ──▶ join
 */
export class ClassicGroup implements GroupProtocol {
  readonly #link: GroupLink;
  readonly #options: GroupProtocolOptions;
  #memberId = '';
  #generation = NO_GENERATION;
  #mustJoin = true;
  #storeReach: StoreReach = 'here';
  /** What the group was told with the last join: that this member can work. */
  #saidAble = true;
  /** It was given nothing, or less than it had, because it cannot work. */
  #isSparedWork = false;

  constructor(link: GroupLink, options: GroupProtocolOptions) {
    this.#link = link;
    this.#options = options;
  }

  get isMember(): boolean {
    return !this.#mustJoin;
  }

  get sessionTimeoutMs(): number {
    return this.#options.sessionTimeoutMs;
  }

  async beat(owned: ReadonlySet<Partition>): Promise<Beat> {
    try {
      if (!this.#mustJoin && (await this.#heartbeat())) return { kind: 'unchanged' };
      return { kind: 'assigned', partitions: await this.#join(owned) };
    } catch (error) {
      const code = groupErrorOf(error);
      if (code === null || !EXPELLED.includes(code)) throw error;
      if (code !== 'ILLEGAL_GENERATION') this.#memberId = '';
      this.#generation = NO_GENERATION;
      this.#mustJoin = true;
      return { kind: 'expelled' };
    }
  }

  released(): void {
    this.#mustJoin = true;
  }

  /**
   * A member that cannot work says so as soon as that is sure, and that it can again only if it has gone without since:
   * when the store is away for everybody, nothing moves, neither then nor when it is back.
   */
  noteStoreReach(reach: StoreReach): boolean {
    this.#storeReach = reach;
    const isNews = this.#isReachNews();
    if (isNews) this.#mustJoin = true;
    return isNews;
  }

  async commit(offsets: FollowedOffsets): Promise<void> {
    const { groupId } = this.#options;
    const topics = offsetCommitTopics(offsets, this.#options);
    await this.#link.call({
      api: offsetCommitV8.api,
      args: [groupId, this.#generation, this.#memberId, null, topics],
      timeoutMs: QUICK_CALL_TIMEOUT_MS,
    });
  }

  async leave(): Promise<void> {
    if (this.#memberId === '') return;
    const { groupId } = this.#options;
    const member = { memberId: this.#memberId, groupInstanceId: null, reason: 'the worker ends' };
    await this.#link.call({ api: leaveGroupV5.api, args: [groupId, [member]], timeoutMs: QUICK_CALL_TIMEOUT_MS });
  }

  /** False when the group is being rearranged and waits for this member to join. */
  async #heartbeat(): Promise<boolean> {
    const { groupId } = this.#options;
    const args: [string, number, string, null] = [groupId, this.#generation, this.#memberId, null];
    try {
      await this.#call({ api: heartbeatV4.api, args, timeoutMs: QUICK_CALL_TIMEOUT_MS });
      return true;
    } catch (error) {
      if (groupErrorOf(error) !== 'REBALANCE_IN_PROGRESS') throw error;
      this.#mustJoin = true;
      return false;
    }
  }

  #isReachNews(): boolean {
    return this.#saidAble ? this.#storeReach === 'away' : this.#storeReach === 'here' && this.#isSparedWork;
  }

  async #join(owned: ReadonlySet<Partition>): Promise<ReadonlySet<Partition>> {
    const { groupId, topic } = this.#options;
    const joined = await this.#sendJoin(owned);
    this.#memberId = joined.memberId;
    this.#generation = joined.generationId;
    const assignments = joined.leader === joined.memberId ? this.#assign(joined) : [];
    const { assignment } = await this.#call({
      api: syncGroupV5.api,
      args: [groupId, this.#generation, this.#memberId, null, PROTOCOL_TYPE, ASSIGNOR, assignments],
      timeoutMs: JOIN_CALL_TIMEOUT_MS,
    });
    const mine = decodeConsumerProtocolAssignment(assignment).assignedPartitions.filter((each) => each.topic === topic);
    const partitions = new Set(mine.flatMap((each) => each.partitions as Partition[]));
    const hasLess = partitions.size === 0 || [...owned].some((partition) => !partitions.has(partition));
    this.#isSparedWork = !this.#saidAble && hasLess;
    this.#mustJoin = this.#isReachNews();
    return partitions;
  }

  async #sendJoin(owned: ReadonlySet<Partition>): Promise<JoinAnswer> {
    const { groupId, topic, sessionTimeoutMs } = this.#options;
    this.#saidAble = this.#storeReach === 'here';
    const metadata = encodeConsumerProtocolSubscription({
      version: SUBSCRIPTION_VERSION,
      // Who wants no topic is given no partition of it.
      topics: this.#saidAble ? [topic] : [],
      ownedPartitions: [{ topic, partitions: [...owned] }],
      generationId: this.#generation,
    });
    const send = (): Promise<JoinAnswer> =>
      this.#call({
        api: joinGroupV9.api,
        args: [
          ...([groupId, sessionTimeoutMs, REBALANCE_TIMEOUT_MS, this.#memberId, null, PROTOCOL_TYPE] as const),
          [{ name: ASSIGNOR, metadata }],
          null,
        ],
        timeoutMs: JOIN_CALL_TIMEOUT_MS,
      });
    try {
      return await send();
    } catch (error) {
      // The group has minted an id, and wants it to be used: a request that was lost then leaves no member behind.
      if (groupErrorOf(error) !== 'MEMBER_ID_REQUIRED') throw error;
      const minted = findErrorBy(error as Error, 'apiId', 'MEMBER_ID_REQUIRED') as {
        readonly memberId?: unknown;
      } | null;
      if (typeof minted?.memberId !== 'string') throw error;
      this.#memberId = minted.memberId;
      return send();
    }
  }

  /** Only the member that the group has made its leader does this. */
  #assign({ members }: JoinAnswer): { memberId: string; assignment: Buffer }[] {
    const { topic, partitionCount } = this.#options;
    const claims = members.map(({ memberId, metadata }): MemberClaim => {
      const { topics, ownedPartitions, generationId } = decodeConsumerProtocolSubscription(metadata);
      const owned = ownedPartitions.filter((each) => each.topic === topic).flatMap((each) => each.partitions);
      return { memberId, owned: owned as Partition[], generation: generationId, isAble: topics.includes(topic) };
    });
    return [...stickyAssignment(claims, partitionCount)].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeConsumerProtocolAssignment({
        version: SUBSCRIPTION_VERSION,
        assignedPartitions: [{ topic, partitions: [...partitions] }],
      }),
    }));
  }

  async #call<Args extends unknown[], Answer>(call: GroupCall<Args, Answer>): Promise<Answer> {
    const { nowMs, onHeard } = this.#options;
    const sentAtMs = nowMs();
    try {
      const answer = await this.#link.call(call);
      onHeard(sentAtMs);
      return answer;
    } catch (error) {
      if (groupErrorOf(error) === 'REBALANCE_IN_PROGRESS') onHeard(sentAtMs);
      throw error;
    }
  }
}

import type { Partition } from '@breakwater/twin';
import {
  type Clock,
  type Lane,
  type LanePositions,
  LANES,
  type PartitionClaims,
  type PartitionMembership,
  type StoreReach,
} from '@breakwater/twin-runtime';

import type { KafkaConnectionOptions } from '../kafka-connection.ts';
import { kafkaAway } from '../kafka-failure.ts';
import { topicName } from '../topic-names.ts';
import { ClassicGroup } from './classic-group.ts';
import { ConsumerGroup } from './consumer-group.ts';
import { GroupCoordinator, type GroupLink } from './group-coordinator.ts';
import type { GroupProtocol } from './group-protocol.ts';

/** How a member belongs to its group: computed by a member, or by the broker (KIP-848). */
const GROUP_PROTOCOLS = ['classic', 'consumer'] as const;
export type GroupProtocolName = (typeof GROUP_PROTOCOLS)[number];

export interface KafkaGroupOptions {
  readonly connection: KafkaConnectionOptions;
  readonly groupId: string;
  readonly topicPrefix: string;
  readonly partitionCount: number;
  readonly protocol: GroupProtocolName;
  /** How long the group keeps a silent member. With `consumer` the broker decides: this holds where it does not say. */
  readonly sessionTimeoutMs: number;
  /** How often Kafka's committed offsets follow the positions. */
  readonly offsetsIntervalMs: number;
  readonly clock: Clock;
  /** Replaces the connection to the coordinator. */
  readonly link?: GroupLink;
}

/** How often a member says that it lives: also how soon it hears that the group wants something. */
const BEAT_MS = 500;
/** Beats that may fail in a row before anybody is told. */
const FAILURES_UNTOLD = 3;
/** How long leaving waits for what is under way. */
const LEAVE_PATIENCE_MS = 500;

/**
 * A member of Kafka's consumer group over the telemetry topic. Whoever has its partition p also works on control's p.
 * Heartbeats have a loop of their own, apart from the work: a long batch or a slow store costs no membership.
 *
 * A partition is believed to be held for one session time-out, counted from before the last request that the group has
 * answered: it gives nothing of a member away before that. What Kafka asks back stays held until it is released.
 */
export class KafkaGroupMembership implements PartitionMembership {
  readonly #options: KafkaGroupOptions;
  readonly #link: GroupLink;
  readonly #protocol: GroupProtocol;
  readonly #owned = new Set<Partition>();
  readonly #asked = new Set<Partition>();
  readonly #followed = new Map<Lane, Map<Partition, number>>(LANES.map((lane) => [lane, new Map()]));
  readonly #end = new AbortController();
  #wake = new AbortController();
  #assigned: ReadonlySet<Partition> = new Set();
  /** The group waits until everything that was asked for is released. */
  #owesRelease = false;
  #believedUntilMs = 0;
  #followAtMs = 0;
  #failures = 0;
  #problem: unknown = null;
  #running: Promise<void> | null = null;
  #tell: () => void = () => {};

  constructor(options: KafkaGroupOptions) {
    this.#options = options;
    const { connection, groupId, topicPrefix, partitionCount, sessionTimeoutMs, protocol, clock } = options;
    this.#link = options.link ?? new GroupCoordinator(connection, groupId);
    const groupOptions = {
      groupId,
      topic: topicName(topicPrefix, 'telemetry'),
      topicOf: (lane: Lane) => topicName(topicPrefix, lane),
      partitionCount,
      sessionTimeoutMs,
      onHeard: (sentAtMs: number) => {
        this.#believedUntilMs = Math.max(this.#believedUntilMs, sentAtMs + this.#protocol.sessionTimeoutMs);
      },
      nowMs: () => clock.nowMs(),
    };
    const Protocol = protocol === 'consumer' ? ConsumerGroup : ClassicGroup;
    this.#protocol = new Protocol(this.#link, groupOptions);
  }

  get claims(): PartitionClaims {
    return {
      held: new Map([...this.#owned].map((partition) => [partition, this.#believedUntilMs])),
      asked: this.#asked,
      complete: this.#protocol.isMember && this.#asked.size === 0,
    };
  }

  /** The claims are renewed all the time; this starts it, and tells what stood in the way since it was last called. */
  async renew(): Promise<void> {
    this.#running ??= this.#run();
    const problem = this.#problem;
    this.#problem = null;
    if (problem !== null) throw problem;
  }

  async release(partition: Partition): Promise<void> {
    this.#owned.delete(partition);
    for (const ofLane of this.#followed.values()) ofLane.delete(partition);
    // What nobody asked for is given up in order to leave.
    if (!this.#asked.delete(partition)) return;
    // The group may have given it back while it was drained.
    if (this.#assigned.has(partition)) this.#owned.add(partition);
    this.#settleRelease();
  }

  committed(partition: Partition, positions: LanePositions): void {
    if (!this.#owned.has(partition)) return;
    for (const lane of LANES) this.#followed.get(lane)?.set(partition, positions[lane]);
  }

  noteStoreReach(reach: StoreReach): void {
    if (this.#protocol.noteStoreReach(reach)) this.#wake.abort();
  }

  /** Kafka gives a partition to its next owner only after this member has left: to wait before that helps nobody. */
  async retire(): Promise<void> {}

  async leave(): Promise<void> {
    const { clock } = this.#options;
    this.#end.abort();
    this.#wake.abort();
    // A join that waits for others would hold the connection, and this member has no more time for them.
    await Promise.race([this.#running, clock.sleep(LEAVE_PATIENCE_MS)]);
    try {
      this.#link.forget();
      await this.#protocol.leave();
    } finally {
      this.#drop();
      await this.#link.close();
    }
  }

  onChange(listener: () => void): void {
    this.#tell = listener;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#end.signal.aborted) {
      this.#wake = new AbortController();
      try {
        await this.#beat();
        await this.#follow();
        this.#failures = 0;
      } catch (error) {
        // A coordinator that moves or loads costs a few beats, and no claim.
        this.#failures += 1;
        if (this.#failures > FAILURES_UNTOLD) this.#problem = kafkaAway(error, 'the group of the workers');
      }
      if (!this.#end.signal.aborted) await clock.sleep(BEAT_MS, this.#wake.signal);
    }
  }

  async #beat(): Promise<void> {
    const reported = new Set(this.#owned);
    const beat = await this.#protocol.beat(reported);
    if (this.#end.signal.aborted || beat.kind === 'unchanged') return;
    if (beat.kind === 'expelled') {
      this.#drop();
      // There is no reason to wait before it joins again.
      this.#wake.abort();
      this.#tell();
    } else {
      this.#take(beat.partitions, reported);
    }
  }

  #take(assigned: ReadonlySet<Partition>, reported: ReadonlySet<Partition>): void {
    const before = this.#owned.size + this.#asked.size;
    this.#assigned = assigned;
    for (const partition of assigned) this.#owned.add(partition);
    for (const partition of this.#owned) if (!assigned.has(partition)) this.#asked.add(partition);
    // Also what was released meanwhile: the group has been told that it is held.
    this.#owesRelease = [...reported].some((partition) => !assigned.has(partition));
    this.#settleRelease();
    // Nothing is taken away here, so what changed has made more.
    if (this.#owned.size + this.#asked.size > before) this.#tell();
  }

  /** When nothing is left to be handed over, the group hears of it at once. */
  #settleRelease(): void {
    if (this.#asked.size > 0 || !this.#owesRelease) return;
    this.#owesRelease = false;
    this.#protocol.released();
    this.#wake.abort();
  }

  #drop(): void {
    this.#owned.clear();
    this.#asked.clear();
    this.#assigned = new Set();
    this.#owesRelease = false;
    this.#believedUntilMs = 0;
    for (const ofLane of this.#followed.values()) ofLane.clear();
  }

  /** For tools that watch the group's lag. Nothing reads these offsets, so a commit that fails is not repeated. */
  async #follow(): Promise<void> {
    const { clock, offsetsIntervalMs } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs < this.#followAtMs || !this.#protocol.isMember) return;
    const offsets = new Map([...this.#followed].filter(([, ofLane]) => ofLane.size > 0));
    if (offsets.size === 0) return;
    this.#followAtMs = nowMs + offsetsIntervalMs;
    const sent = new Map([...offsets].map(([lane, ofLane]) => [lane, new Map(ofLane)]));
    for (const ofLane of this.#followed.values()) ofLane.clear();
    await this.#protocol.commit(sent);
  }
}

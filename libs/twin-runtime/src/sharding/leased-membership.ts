import type { Partition } from '@breakwater/twin';

import type { Clock } from '../ports/clock.ts';
import type { PartitionLeases } from '../ports/partition-leases.ts';
import type { PartitionClaims, PartitionMembership } from '../ports/partition-membership.ts';
import { partitionsOf } from './assignment.ts';

export interface LeasedMembershipOptions {
  readonly leases: PartitionLeases;
  /** One life of one process; never used twice. */
  readonly memberId: string;
  readonly partitionCount: number;
  readonly leaseTtlMs: number;
  readonly clock: Clock;
}

/** So often in a lease time a member renews: all but one of them may fail. */
export const HEARTBEATS_PER_LEASE = 5;

/**
 * Membership without a coordinator: every member computes the same assignment from the same list of live members, and
 * takes the free leases of its own share. What it was asked for it takes again only after it has released it.
 *
 * It asks for a partition back only when the list has named another member for one heartbeat. By then that one has seen
 * the list as well and asks for the lease again and again, so the shard stands still for that long, and not until
 * somebody notices that it is free. For the same reason a member that leaves says so before it lets go.
 */
export class LeasedMembership implements PartitionMembership {
  readonly #options: LeasedMembershipOptions;
  /** Until when each lease may be believed in, counted from before it was asked for. */
  readonly #held = new Map<Partition, number>();
  readonly #asked = new Set<Partition>();
  /** Partitions that are held and another's by the list, and since when. */
  readonly #assignedAwayMs = new Map<Partition, number>();
  readonly #heartbeatMs: number;
  #members: readonly string[] = [];
  #mine: ReadonlySet<Partition> = new Set();
  #complete = false;

  constructor(options: LeasedMembershipOptions) {
    this.#options = options;
    this.#heartbeatMs = options.leaseTtlMs / HEARTBEATS_PER_LEASE;
  }

  get claims(): PartitionClaims {
    return { held: this.#held, asked: this.#asked, complete: this.#complete };
  }

  async renew(): Promise<void> {
    const { leases, memberId, leaseTtlMs, clock } = this.#options;
    const nowMs = clock.nowMs();
    this.#assign(await leases.heartbeat(memberId, leaseTtlMs));
    this.#askBack(nowMs);
    const wanted = new Set([...this.#mine, ...this.#assignedAwayMs.keys()]);
    await this.#acquire([...wanted].filter((partition) => !this.#asked.has(partition)));
    this.#complete = [...this.#mine].every((partition) => this.#held.has(partition) && !this.#asked.has(partition));
  }

  async release(partition: Partition): Promise<void> {
    const { leases, memberId } = this.#options;
    this.#held.delete(partition);
    this.#assignedAwayMs.delete(partition);
    this.#asked.add(partition);
    try {
      await leases.release(partition, memberId);
    } finally {
      this.#asked.delete(partition);
    }
  }

  async retire(): Promise<void> {
    const { memberId, clock } = this.#options;
    await this.leave();
    if (this.#members.some((member) => member !== memberId)) await clock.sleep(this.#heartbeatMs);
  }

  async leave(): Promise<void> {
    await this.#options.leases.leave(this.#options.memberId);
  }

  /** Leases know nothing of positions. */
  committed(): void {}

  onChange(): void {}

  /** The assignment costs a hash for each partition and member, so it is computed once for each list of members. */
  #assign(members: readonly string[]): void {
    const known = this.#members;
    if (members.length === known.length && members.every((member, index) => member === known[index])) return;
    this.#members = members;
    this.#mine = partitionsOf(this.#options.memberId, members, this.#options.partitionCount);
  }

  #askBack(nowMs: number): void {
    for (const partition of this.#held.keys()) {
      if (this.#mine.has(partition)) this.#assignedAwayMs.delete(partition);
      else if (!this.#assignedAwayMs.has(partition)) this.#assignedAwayMs.set(partition, nowMs);
    }
    for (const [partition, sinceMs] of this.#assignedAwayMs) {
      if (sinceMs + this.#heartbeatMs <= this.#options.clock.nowMs()) this.#asked.add(partition);
    }
  }

  /** Takes or renews leases in one call. Those renewed in this heartbeat are left out when it only asks for others. */
  async #acquire(partitions: readonly Partition[]): Promise<void> {
    const { leases, memberId, leaseTtlMs, clock } = this.#options;
    const untilMs = clock.nowMs() + leaseTtlMs;
    const renewBelowMs = untilMs - this.#heartbeatMs / 2;
    const due = partitions.filter((partition) => (this.#held.get(partition) ?? 0) <= renewBelowMs);
    if (due.length === 0) return;
    const answers = await leases.acquire(due, memberId, leaseTtlMs);
    for (const [index, partition] of due.entries()) {
      if (answers[index] === true) this.#held.set(partition, untilMs);
      else {
        this.#held.delete(partition);
        this.#assignedAwayMs.delete(partition);
      }
    }
  }
}

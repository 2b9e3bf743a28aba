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

/**
 * Membership without a coordinator: every member computes the same assignment from the same list of live members, and
 * takes the free leases of its own share. What it was asked for it takes again only after it has released it.
 */
export class LeasedMembership implements PartitionMembership {
  readonly #options: LeasedMembershipOptions;
  /** Until when each lease may be believed in, counted from before it was asked for. */
  readonly #held = new Map<Partition, number>();
  readonly #asked = new Set<Partition>();
  #complete = false;

  constructor(options: LeasedMembershipOptions) {
    this.#options = options;
  }

  get claims(): PartitionClaims {
    return { held: this.#held, asked: this.#asked, complete: this.#complete };
  }

  async renew(): Promise<void> {
    const { leases, memberId, leaseTtlMs, partitionCount } = this.#options;
    const members = await leases.heartbeat(memberId, leaseTtlMs);
    const mine = partitionsOf(memberId, members, partitionCount);
    for (const partition of this.#held.keys()) if (!mine.has(partition)) this.#asked.add(partition);
    const taken = [...mine].filter((partition) => !this.#asked.has(partition));
    const results = await Promise.allSettled(taken.map((partition) => this.#acquire(partition)));
    const all = results.every((result) => result.status === 'fulfilled' && result.value);
    this.#complete = all && taken.length === mine.size;
    // What could be learned of the other partitions is kept all the same.
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async release(partition: Partition): Promise<void> {
    const { leases, memberId } = this.#options;
    this.#held.delete(partition);
    this.#asked.add(partition);
    try {
      await leases.release(partition, memberId);
    } finally {
      this.#asked.delete(partition);
    }
  }

  async leave(): Promise<void> {
    await this.#options.leases.leave(this.#options.memberId);
  }

  /** Leases know nothing of positions. */
  committed(): void {}

  onChange(): void {}

  async #acquire(partition: Partition): Promise<boolean> {
    const { leases, memberId, leaseTtlMs, clock } = this.#options;
    const untilMs = clock.nowMs() + leaseTtlMs;
    const isHeld = await leases.acquire(partition, memberId, leaseTtlMs);
    if (isHeld) this.#held.set(partition, untilMs);
    else this.#held.delete(partition);
    return isHeld;
  }
}

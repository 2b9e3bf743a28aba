import type { Partition } from '@breakwater/twin';
import type { Clock, PartitionLeases } from '@breakwater/twin-runtime';

/** Leases in memory. */
export class MemoryPartitionLeases implements PartitionLeases {
  readonly #clock: Clock;
  readonly #members = new Map<string, number>();
  readonly #leases = new Map<Partition, { readonly memberId: string; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async heartbeat(memberId: string, ttlMs: number): Promise<readonly string[]> {
    const nowMs = this.#clock.nowMs();
    this.#members.set(memberId, nowMs + ttlMs);
    for (const [member, untilMs] of this.#members) if (untilMs <= nowMs) this.#members.delete(member);
    return [...this.#members.keys()].sort();
  }

  async acquire(partitions: readonly Partition[], memberId: string, ttlMs: number): Promise<readonly boolean[]> {
    return partitions.map((partition) => this.#acquire(partition, memberId, ttlMs));
  }

  async release(partition: Partition, memberId: string): Promise<void> {
    if (this.#leases.get(partition)?.memberId === memberId) this.#leases.delete(partition);
  }

  async held(partitions: readonly Partition[]): Promise<readonly boolean[]> {
    const nowMs = this.#clock.nowMs();
    return partitions.map((partition) => (this.#leases.get(partition)?.untilMs ?? 0) > nowMs);
  }

  async leave(memberId: string): Promise<void> {
    this.#members.delete(memberId);
  }

  #acquire(partition: Partition, memberId: string, ttlMs: number): boolean {
    const nowMs = this.#clock.nowMs();
    const lease = this.#leases.get(partition);
    if (lease !== undefined && lease.untilMs > nowMs && lease.memberId !== memberId) return false;
    this.#leases.set(partition, { memberId, untilMs: nowMs + ttlMs });
    return true;
  }
}

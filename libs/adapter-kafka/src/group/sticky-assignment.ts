import type { Partition } from '@breakwater/twin';

/** What a member of the group says that it holds, and since which generation of the group. */
export interface MemberClaim {
  readonly memberId: string;
  readonly owned: readonly Partition[];
  readonly generation: number;
  /** It reaches the store of the twins. Where nobody does, all are taken for able: to move work would help nobody. */
  readonly isAble: boolean;
}

/**
 * The next assignment: fair shares that differ by one at most, with as few moves as fairness allows. Cooperative: what
 * is to move from one member to another is assigned to nobody yet. Its holder sees that it is missing, drains it and
 * joins again, and only then it is given away; everything else is never interrupted. A member that cannot work is asked
 * for all that it has.
 *
 * The client library has an assignor of this name too, which leaves a new member without a share as long as nobody
 * else has more than the larger of the two fair shares: a fifth worker beside four with four partitions each.
 */
export function stickyAssignment(
  claims: readonly MemberClaim[],
  partitionCount: number,
): ReadonlyMap<string, readonly Partition[]> {
  const holders = holdersOf(claims, partitionCount);
  const able = claims.filter(({ isAble }) => isAble);
  const room = roomOf(able.length > 0 ? able : claims, partitionCount, holders);
  const assigned = new Map<string, Partition[]>(claims.map(({ memberId }) => [memberId, []]));
  const take = (memberId: string, partition: Partition): void => {
    assigned.get(memberId)?.push(partition);
    room.set(memberId, (room.get(memberId) ?? 0) - 1);
  };
  const moving: Partition[] = [];
  for (const partition of partitions(partitionCount)) {
    const holder = holders.get(partition);
    if (holder?.trusted != null && (room.get(holder.trusted) ?? 0) > 0) take(holder.trusted, partition);
    else moving.push(partition);
  }
  const members = [...room.keys()].sort();
  for (const partition of moving) {
    if (holders.has(partition)) continue;
    const next = members.find((memberId) => (room.get(memberId) ?? 0) > 0);
    if (next !== undefined) take(next, partition);
  }
  return assigned;
}

interface Holder {
  /** Null when two claim it with equal right: both give it up. */
  readonly trusted: string | null;
  readonly generation: number;
}

/** A member that was away claims what it had; the claim of a newer generation stands. */
function holdersOf(claims: readonly MemberClaim[], partitionCount: number): Map<Partition, Holder> {
  const holders = new Map<Partition, Holder>();
  for (const { memberId, owned, generation } of claims) {
    for (const partition of owned) {
      if (partition < 0 || partition >= partitionCount) continue;
      const other = holders.get(partition);
      if (other === undefined || other.generation < generation) {
        holders.set(partition, { trusted: memberId, generation });
      } else if (other.generation === generation) {
        holders.set(partition, { trusted: null, generation });
      }
    }
  }
  return holders;
}

/** The fair share of each; those that hold the most take what does not divide. */
function roomOf(
  claims: readonly MemberClaim[],
  partitionCount: number,
  holders: ReadonlyMap<Partition, Holder>,
): Map<string, number> {
  const held = new Map<string, number>();
  for (const { trusted } of holders.values()) if (trusted !== null) held.set(trusted, (held.get(trusted) ?? 0) + 1);
  const share = Math.floor(partitionCount / claims.length);
  const rest = partitionCount % claims.length;
  const byHoldings = claims
    .map(({ memberId }) => memberId)
    .toSorted((left, right) => (held.get(right) ?? 0) - (held.get(left) ?? 0) || (left < right ? -1 : 1));
  return new Map(byHoldings.map((memberId, index) => [memberId, share + (index < rest ? 1 : 0)]));
}

function partitions(count: number): readonly Partition[] {
  return Array.from({ length: count }, (_, index) => index as Partition);
}

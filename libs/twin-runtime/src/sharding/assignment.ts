import type { Partition } from '@breakwater/twin';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * The partitions that are `memberId`'s among `members`. Every member computes the same from the same list: each
 * partition goes to the member that ranks highest for it (rendezvous hashing) and still has room, where room is the
 * fair share. So shares differ by one at most, and when a member comes or goes, few partitions move that need not.
 */
export function partitionsOf(
  memberId: string,
  members: readonly string[],
  partitionCount: number,
): ReadonlySet<Partition> {
  const mine = new Set<Partition>();
  if (!members.includes(memberId)) return mine;
  const room = roomOf(members, partitionCount);
  for (let number = 0; number < partitionCount; number++) {
    const owner = ownerOf(number, members, room);
    room.set(owner, (room.get(owner) ?? 0) - 1);
    if (owner === memberId) mine.add(number as Partition);
  }
  return mine;
}

/** The fair share of each member; the first of them take what does not divide. */
function roomOf(members: readonly string[], partitionCount: number): Map<string, number> {
  const share = Math.floor(partitionCount / members.length);
  const rest = partitionCount % members.length;
  return new Map(members.map((member, index) => [member, share + (index < rest ? 1 : 0)]));
}

function ownerOf(partition: number, members: readonly string[], room: ReadonlyMap<string, number>): string {
  let best = '';
  let bestRank = -1;
  for (const member of members) {
    if ((room.get(member) ?? 0) === 0) continue;
    const rank = rankOf(member, partition);
    if (rank > bestRank) {
      best = member;
      bestRank = rank;
    }
  }
  return best;
}

function rankOf(member: string, partition: number): number {
  let hash = FNV_OFFSET;
  const text = `${partition}/${member}`;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  // FNV alone leaves the high bits of similar texts similar; two rounds of mixing make ranks independent.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

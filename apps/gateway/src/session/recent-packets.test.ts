import { describe, expect, it } from '@jest/globals';

import { RecentPackets } from './recent-packets.ts';

const ENTRIES_MAX = 10;

function use(packetId: number) {
  return { packetId, digest: 4_000_000_000 + packetId, sessionEpoch: 7, appendedAtMs: 1_700_000_000_000 + packetId };
}

describe('the last uses of packet ids', () => {
  it.each([1, 4, 5, 8, 9, 10, 11, 25])('keep their order and their values with %i of them', (count) => {
    const packets = new RecentPackets(ENTRIES_MAX);
    const uses = Array.from({ length: count }, (_, index) => use(index + 1));
    for (const one of uses) packets.add(one);
    expect(packets.all()).toEqual(uses.slice(-ENTRIES_MAX));
    expect(packets.newest(count)).toEqual(use(count));
  });

  it('tell the newest by session and then by time, whatever came last', () => {
    const packets = new RecentPackets(ENTRIES_MAX);
    for (const packetId of [1, 2, 3]) packets.add(use(packetId));
    const newest = { ...use(1), sessionEpoch: 8, appendedAtMs: 5 };
    packets.add(newest);
    packets.add({ ...use(1), appendedAtMs: 2_000_000_000_000 });
    expect(packets.newest(1)).toEqual(newest);
    packets.add({ ...newest, digest: 3, appendedAtMs: 4 });
    expect(packets.newest(1)).toEqual(newest);
    packets.add({ ...newest, digest: 4 });
    expect(packets.newest(1)?.digest).toBe(4);
    expect(packets.newest(9)).toBeNull();
  });

  it('grow further after older ones were put between them', () => {
    const packets = new RecentPackets(ENTRIES_MAX);
    for (const packetId of [3, 4, 5]) packets.add(use(packetId));
    packets.merge([use(1), use(2)]);
    for (const packetId of [6, 7, 8, 9]) packets.add(use(packetId));
    expect(packets.all().map(({ packetId }) => packetId)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

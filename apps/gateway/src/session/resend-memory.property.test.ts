import { describe, it } from '@jest/globals';
import { LANES } from '@breakwater/twin-runtime';
import fc from 'fast-check';
import { deepStrictEqual } from 'node:assert';

import { type LoggedMark, ResendMemory } from './resend-memory.ts';

const ENTRIES_MAX = 5;
const PACKET_IDS = [1, 2, 3, 65_535];
const DIGESTS = [0, 7, 0xffff_ffff];
const EPOCHS = [1, 2, 1_000_000_007];
const IDS = ['', 'a', 'b-1', 'b-2', 'b-23', 'c'.repeat(70), 'é', 'ein Maß', '温度', '\ud800', '\ufffd'];
const AT_MS = 1_790_000_000_000;

const mark: fc.Arbitrary<LoggedMark> = fc.record({
  packetId: fc.constantFrom(0, ...PACKET_IDS),
  digest: fc.constantFrom(...DIGESTS),
  sessionEpoch: fc.constantFrom(...EPOCHS),
  messageId: fc.constantFrom(...IDS),
  appendedAtMs: fc.integer({ min: AT_MS, max: AT_MS + 1_000_000 }),
});
type Step = (memory: ResendMemory) => unknown;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: mark.map(
      (one): Step =>
        (memory) =>
          memory.remember(one),
    ),
  },
  fc.tuple(fc.constantFrom(...PACKET_IDS), fc.integer({ min: AT_MS, max: AT_MS + 1_000_000 })).map(
    ([packetId, nowMs]): Step =>
      (memory) =>
        memory.released(packetId, nowMs),
  ),
  fc.tuple(fc.constantFrom(...LANES), fc.array(mark, { maxLength: 3 })).map(
    ([lane, marks]): Step =>
      (memory) =>
        memory.beginRead(lane)(marks),
  ),
  fc.constant<Step>((memory) => memory.missed()),
  fc.tuple(fc.constantFrom(...EPOCHS), fc.constantFrom(...EPOCHS)).map(
    ([epoch, before]): Step =>
      (memory) =>
        memory.previousOf(epoch, before),
  ),
  fc.constantFrom(...EPOCHS).map(
    (epoch): Step =>
      (memory) =>
        (memory.openedEpoch = epoch),
  ),
);

/** Whatever can be asked of a memory. */
function answersOf(memory: ResendMemory): unknown {
  const asked = PACKET_IDS.flatMap((packetId) => DIGESTS.map((digest) => ({ packetId, digest })));
  return {
    packets: asked.flatMap((one) =>
      EPOCHS.map((previousEpoch) =>
        memory.find({ ...one, sessionEpoch: 2, messageId: '' }, { dup: true, previousEpoch }),
      ),
    ),
    ids: IDS.map((messageId) =>
      memory.find({ packetId: 0, digest: 0, sessionEpoch: 2, messageId }, { dup: false, previousEpoch: 0 }),
    ),
    unread: memory.unreadLanes,
    releases: memory.releases(),
    opened: memory.openedEpoch,
  };
}

describe('ResendMemory', () => {
  it('answers as before once it was packed, whatever happens then', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.array(step, { maxLength: 8 }), (before, after) => {
        const plain = new ResendMemory(ENTRIES_MAX);
        for (const take of before) take(plain);
        const packed = ResendMemory.unpack(plain.pack(), ENTRIES_MAX);
        deepStrictEqual(answersOf(packed), answersOf(plain));
        for (const take of after) deepStrictEqual(take(packed), take(plain));
        deepStrictEqual(answersOf(packed), answersOf(plain));
      }),
    );
  });
});

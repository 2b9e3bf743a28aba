import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import { lengthBytes } from './packet-builder.ts';
import { bodyStart } from './recordings.ts';

/** Bytes on which parsers turn: ends of ranges, MQTT's first bytes, and what UTF-8 never holds. */
const TURNING_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x10, 0x30, 0x32, 0x62, 0x82, 0xe0, 0xc0, 0xed];

/** One change of a packet; most leave its length as it was announced, so that the next packet is misread too. */
export function mutateBytes(bytes: Buffer, random: SeededRandom): Buffer {
  if (bytes.length === 0) return bytes;
  const at = random.below(bytes.length);
  const value = random.chance(0.5) ? random.below(256) : (TURNING_BYTES[random.below(TURNING_BYTES.length)] as number);
  const copy = Buffer.from(bytes);
  switch (random.below(9)) {
    case 0:
      copy[at] = value;
      return copy;
    case 1:
      copy[at] = (copy[at] as number) ^ (1 << random.below(8));
      return copy;
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([value]), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    case 4:
      return copy.subarray(0, at);
    case 5:
      return Buffer.concat([bytes, bytes]);
    case 6:
      return copy.fill(value, at, Math.min(bytes.length, at + 1 + random.below(8)));
    default:
      return reframed(mutateBytes(bytes, random));
  }
}

/** With the length that the body has now, so that the change is met by what reads the body. */
function reframed(bytes: Buffer): Buffer {
  const body = bytes.subarray(bodyStart(bytes));
  return Buffer.concat([bytes.subarray(0, 1), lengthBytes(body.length), body]);
}

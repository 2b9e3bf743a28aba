import { generate } from 'mqtt-packet';

import { FIRST_SEQ, waveTexts } from './event-values.ts';

const TOPIC = 'v1/devices/me/telemetry';
const PACKET_IDS = 65_535;
const PUBLISH_QOS_1 = 0x32;
const DUP = 0x08;
const DIGIT_ZERO = 0x30;
const SEQ_DIGITS = 7;
/** A Unix time in ms is two numbers of this many digits, each small enough for integer arithmetic. */
const TS_HIGH_DIGITS = 7;
const TS_LOW_DIGITS = 6;
const TS_LOW = 1_000_000;
const SLAB_BYTES = 256 * 1024;

const FIRST_TS = '1700000000000';

/** One packet to copy, and where its numbers stand. */
interface PacketTemplate {
  readonly bytes: Buffer;
  readonly payloadBytes: number;
  readonly waves: readonly Buffer[];
  readonly at: Readonly<Record<'packetId' | 'id' | 'ts' | 'seq' | 'wave', number>>;
}

function templateOf(valueGroups: number): PacketTemplate {
  const texts = waveTexts(valueGroups);
  const [first = ''] = texts;
  const payload = `{"id":"${FIRST_SEQ}","ts":${FIRST_TS},"values":{"seq":${FIRST_SEQ},${first}}}`;
  const fixed = { cmd: 'publish', qos: 1, dup: false, retain: false, messageId: 1 } as const;
  const bytes = generate({ ...fixed, topic: TOPIC, payload });
  return {
    bytes,
    payloadBytes: payload.length,
    waves: texts.map((text) => Buffer.from(text, 'latin1')),
    at: {
      packetId: bytes.indexOf(TOPIC) + TOPIC.length,
      id: bytes.indexOf(`"id":"`) + 6,
      ts: bytes.indexOf(FIRST_TS),
      seq: bytes.indexOf(`"seq":`) + 6,
      wave: bytes.indexOf(first),
    },
  };
}

/** Of an event with so many groups of four values. */
export function payloadBytesOf(valueGroups: number): number {
  return templateOf(valueGroups).payloadBytes;
}

/** The packet id is a function of the event, so that a PUBACK names its event without a table. */
export function packetIdOf(seq: number): number {
  return (seq % PACKET_IDS) + 1;
}

/**
 * Encodes events by copying one packet and patching its numbers. What one socket sends at once is one piece of a slab;
 * a slab is never written twice, because a socket may still hold on to its pieces.
 */
export class EventPackets {
  readonly #template: PacketTemplate;
  readonly packetBytes: number;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #end = 0;

  /** @param valueGroups of four values, in each event. */
  constructor(valueGroups = 1) {
    this.#template = templateOf(valueGroups);
    this.packetBytes = this.#template.bytes.length;
  }

  add(seq: number, tsMs: number, isRepeated: boolean): void {
    if (this.#end + this.packetBytes > SLAB_BYTES) this.#renew();
    const slab = this.#slab;
    const at = this.#end;
    const { bytes, at: places, waves } = this.#template;
    slab.set(bytes, at);
    slab[at] = isRepeated ? PUBLISH_QOS_1 | DUP : PUBLISH_QOS_1;
    const packetId = packetIdOf(seq);
    slab[at + places.packetId] = packetId >>> 8;
    slab[at + places.packetId + 1] = packetId & 0xff;
    putDigits(slab, at + places.id + SEQ_DIGITS, seq);
    putDigits(slab, at + places.seq + SEQ_DIGITS, seq);
    const high = Math.floor(tsMs / TS_LOW);
    // The low digits are put as a number with a leading one, which the high digits then overwrite.
    putDigits(slab, at + places.ts + TS_HIGH_DIGITS + TS_LOW_DIGITS, Math.floor(tsMs) - high * TS_LOW + TS_LOW);
    putDigits(slab, at + places.ts + TS_HIGH_DIGITS, high);
    slab.set(waves[seq % waves.length] as Buffer, at + places.wave);
    this.#end = at + this.packetBytes;
  }

  /** Everything added since the last call. */
  take(): Buffer {
    const piece = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return piece;
  }

  #renew(): void {
    const begun = this.#slab.subarray(this.#start, this.#end);
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#slab.set(begun);
    this.#start = 0;
    this.#end = begun.length;
  }
}

/** Decimal digits of a positive integer below 2³¹, right-aligned at `end`. */
function putDigits(target: Buffer, end: number, value: number): void {
  let left = value | 0;
  for (let at = end - 1; left > 0; at -= 1) {
    const next = (left / 10) | 0;
    target[at] = DIGIT_ZERO + left - next * 10;
    left = next;
  }
}

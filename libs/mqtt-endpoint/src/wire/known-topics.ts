import type { IPublishPacket } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';

/** A topic name that was found valid, and its bytes on the wire. */
export interface KnownTopic {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** A topic of devices that say `me` is everybody's; one with an id in it is one device's, and is not kept here. */
const SHARED_MAX = 256;
/** Longer ones are decoded each time. */
const LENGTH_MAX = 128;

/** Topic names of all connections, so that those who write to the same one keep it once. */
export class KnownTopics {
  readonly #shared = new Map<string, KnownTopic>();

  of(text: string): KnownTopic | null {
    const known = this.#shared.get(text);
    if (known !== undefined) return known;
    if (text.length > LENGTH_MAX) return null;
    const topic = { text, bytes: new Uint8Array(Buffer.from(text)) };
    if (this.#shared.size < SHARED_MAX) this.#shared.set(text, topic);
    return topic;
  }
}

const PUBLISH = 0x30;
const QOS_BITS = 0x06;

/**
 * Reads a PUBLISH without properties to the topic that the connection wrote to before: neither its name has to be
 * decoded nor is there anything in it that could be malformed. Null: it is to be looked at as if this did not exist,
 * and that includes everything that is wrong.
 */
export function readPublishAgain(
  frame: Buffer,
  { bodyOffset, version, topic }: { bodyOffset: number; version: ProtocolVersion; topic: KnownTopic | null },
): IPublishPacket | null {
  const first = frame[0] as number;
  const qos = (first & QOS_BITS) >> 1;
  // QoS 0 and 3 have rules of their own.
  if (topic === null || (first & 0xf0) !== PUBLISH || (qos !== 1 && qos !== 2)) return null;
  const { text, bytes } = topic;
  const { length } = bytes;
  const idOffset = bodyOffset + 2 + length;
  const payloadOffset = idOffset + (version === 5 ? 3 : 2);
  if (frame.length < payloadOffset) return null;
  if ((((frame[bodyOffset] as number) << 8) | (frame[bodyOffset + 1] as number)) !== length) return null;
  for (let index = 0; index < length; index++) if (frame[bodyOffset + 2 + index] !== bytes[index]) return null;
  if (version === 5 && frame[idOffset + 2] !== 0) return null;
  const messageId = ((frame[idOffset] as number) << 8) | (frame[idOffset + 1] as number);
  if (messageId === 0) return null;
  return {
    cmd: 'publish',
    topic: text,
    payload: frame.subarray(payloadOffset),
    qos,
    dup: (first & 8) !== 0,
    retain: (first & 1) !== 0,
    messageId,
  };
}

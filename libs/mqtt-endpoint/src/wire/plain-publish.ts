import type { IPublishPacket } from 'mqtt-packet';
import type { ProtocolVersion } from '../endpoint-host.ts';

const PUBLISH = 0x30;

/**
 * Reads a PUBLISH without properties, as most of them are, straight from its bytes: the parser of the codec costs more
 * than everything that the engine does with such a message. Null: the codec is to read it.
 *
 * Only for frames that `PacketLayout` has passed, so nothing here reaches over an end; and what comes out goes through
 * the same validator as what the codec reads.
 */
export function readPlainPublish(frame: Buffer, bodyOffset: number, version: ProtocolVersion): IPublishPacket | null {
  const first = frame[0] as number;
  const qos = (first >> 1) & 3;
  if ((first & 0xf0) !== PUBLISH || qos === 3) return null;
  const topicStart = bodyOffset + 2;
  let position = topicStart + frame.readUInt16BE(bodyOffset);
  const topic = frame.toString('utf8', topicStart, position);
  let messageId = 0;
  if (qos !== 0) {
    messageId = frame.readUInt16BE(position);
    position += 2;
  }
  if (version === 5) {
    if (frame[position] !== 0) return null;
    position += 1;
  }
  return {
    cmd: 'publish',
    topic,
    payload: frame.subarray(position),
    qos: qos as 0 | 1 | 2,
    dup: (first & 8) !== 0,
    retain: (first & 1) !== 0,
    messageId,
  };
}

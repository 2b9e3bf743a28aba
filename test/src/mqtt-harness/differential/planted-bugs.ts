const CONNACK = 0x20;
const PUBLISH = 0x30;
const PUBREC = 0x50;
const PUBREL = 0x62;
const SUBACK = 0x90;
const UNSUBACK = 0xb0;
const DUP = 0x08;
const QOS = 0x06;
const QOS_2 = 0x04;

/** What a connection of the engine writes, as a list of whole packets, before it leaves. One is made per connection. */
export type PlantedBug = () => (packet: Buffer) => readonly Buffer[];

/**
 * Bugs that show that the comparison bites. They are put behind the engine, into what it says: there are no switches in
 * the code under test.
 */
export const PLANTED_BUGS: Readonly<Record<string, PlantedBug>> = {
  'DUP is not set on what is sent again': () => (packet) =>
    isType(packet, PUBLISH) ? [changed(packet, 0, (first) => first & ~DUP)] : [packet],
  'session present is always 0': () => (packet) =>
    isType(packet, CONNACK) ? [changed(packet, 2, (flags) => flags & ~1)] : [packet],
  'a QoS 2 message is delivered twice': () => (packet) =>
    isType(packet, PUBLISH) && ((packet[0] as number) & QOS) === QOS_2 ? [packet, packet] : [packet],
  'a packet id is given to two messages': () => (packet) => {
    if (!isType(packet, PUBLISH) || ((packet[0] as number) & QOS) === 0) return [packet];
    const lengthOfTopic = packet.readUInt16BE(2);
    return [changed(packet, 2 + 2 + lengthOfTopic + 1, () => 1)];
  },
  'SUBACK grants QoS 0 whatever was asked': () => (packet) =>
    isType(packet, SUBACK) ? [changed(packet, packet.length - 1, () => 0)] : [packet],
  'UNSUBACK comes twice': () => (packet) => (isType(packet, UNSUBACK) ? [packet, packet] : [packet]),
  'what is released is not released again': () => {
    let isResuming = true;
    return (packet) => {
      if (isType(packet, CONNACK)) isResuming = true;
      else if (!isType(packet, PUBREL)) isResuming = false;
      return isResuming && isType(packet, PUBREL) ? [] : [packet];
    };
  },
  'the second copy of a QoS 2 message is answered twice': () => {
    const answered = new Set<number>();
    return (packet) => {
      if (!isType(packet, PUBREC)) return [packet];
      const packetId = packet.readUInt16BE(2);
      if (answered.has(packetId)) return [packet, packet];
      answered.add(packetId);
      return [packet];
    };
  },
};

/** All packets in question are shorter than 128 bytes, so their length takes one byte. */
function isType(packet: Buffer, type: number): boolean {
  return ((packet[0] as number) & 0xf0) === (type & 0xf0) && (packet[1] as number) < 0x80;
}

function changed(packet: Buffer, at: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(packet);
  copy[at] = change(copy[at] as number);
  return copy;
}

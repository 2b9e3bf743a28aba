import { describe, expect, it } from '@jest/globals';
import { parser as createParser, type Packet } from 'mqtt-packet';

import { EventPackets, packetIdOf } from './event-packets.ts';
import { FIRST_SEQ, SEQ_MAX, valuesOfEvent } from './event-values.ts';

function parsed(bytes: Buffer): readonly Packet[] {
  const packets: Packet[] = [];
  const parser = createParser({ protocolVersion: 4 });
  parser.on('packet', (packet) => packets.push(packet));
  parser.parse(bytes);
  return packets;
}

describe('EventPackets', () => {
  it.each([FIRST_SEQ, FIRST_SEQ + 1, FIRST_SEQ + 313, 1_234_567, SEQ_MAX])('encodes event %d', (seq) => {
    const packets = new EventPackets();
    packets.add(seq, 1_795_369_791_048.7, false);
    const bytes = packets.take();
    expect(bytes).toHaveLength(packets.packetBytes);
    const [packet] = parsed(bytes);
    expect(packet).toMatchObject({
      cmd: 'publish',
      topic: 'v1/devices/me/telemetry',
      qos: 1,
      dup: false,
      retain: false,
      messageId: packetIdOf(seq),
    });
    expect(JSON.parse(String((packet as { payload: Buffer }).payload))).toEqual({
      id: String(seq),
      ts: 1_795_369_791_048,
      values: valuesOfEvent(seq),
    });
  });

  it('repeats an event the same but for its DUP', () => {
    const packets = new EventPackets();
    packets.add(FIRST_SEQ, 1_700_000_000_000, false);
    packets.add(FIRST_SEQ, 1_700_000_000_000, true);
    const [first, repeated] = parsed(packets.take());
    expect(repeated).toEqual({ ...first, dup: true });
  });

  it('keeps what one socket sends in one piece, and earlier pieces untouched', () => {
    const packets = new EventPackets();
    const pieces: { readonly bytes: Buffer; readonly copy: Buffer }[] = [];
    for (let seq = FIRST_SEQ; seq < FIRST_SEQ + 6_000; seq += 3) {
      for (const next of [seq, seq + 1, seq + 2]) packets.add(next, 1_700_000_000_000 + next, false);
      const bytes = packets.take();
      pieces.push({ bytes, copy: Buffer.from(bytes) });
    }
    expect(pieces.every(({ bytes, copy }) => bytes.equals(copy) && bytes.length === 3 * packets.packetBytes)).toBe(
      true,
    );
    expect(parsed(Buffer.concat(pieces.map(({ bytes }) => bytes)))).toHaveLength(6_000);
  });

  it('has payloads of about 90 bytes with five values', () => {
    const packets = new EventPackets();
    packets.add(FIRST_SEQ, 1_700_000_000_000, false);
    const [packet] = parsed(packets.take());
    expect(Math.abs((packet as { payload: Buffer }).payload.length - 90)).toBeLessThan(10);
    expect(Object.keys(valuesOfEvent(FIRST_SEQ))).toHaveLength(5);
  });

  it('gives events that are on the way together different packet ids, none of them 0', () => {
    const ids = Array.from({ length: 65_535 }, (_, at) => packetIdOf(SEQ_MAX - at));
    expect(new Set(ids).size).toBe(65_535);
    expect(Math.min(...ids.slice(0, 1_000), ...ids.slice(-1_000))).toBeGreaterThan(0);
  });
});

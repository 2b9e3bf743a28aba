import { describe, expect, it } from '@jest/globals';
import { PacketFramer } from './packet-framer.ts';
import { ProtocolFault } from './protocol-fault.ts';

function drain(framer: PacketFramer): (string | number)[] {
  const frames: (string | number)[] = [];
  for (;;) {
    const frame = framer.next();
    if (frame === null) {
      framer.settle();
      return frames;
    }
    if (frame instanceof ProtocolFault) return [...frames, frame.code];
    frames.push(frame.toString('hex'));
  }
}

describe('packet framer', () => {
  it('cuts several packets out of one chunk', () => {
    const framer = new PacketFramer(100);
    framer.push(Buffer.from('c00040020001c0', 'hex'));
    expect(drain(framer)).toEqual(['c000', '40020001']);
    framer.push(Buffer.from('00', 'hex'));
    expect(drain(framer)).toEqual(['c000']);
    expect(framer.unreadBytes).toBe(0);
  });

  it('puts a packet together from single bytes', () => {
    const framer = new PacketFramer(400);
    const packet = Buffer.concat([Buffer.from([0x30, 0xc8, 0x02]), Buffer.alloc(328, 7)]);
    const frames: (string | number)[] = [];
    for (const byte of packet) {
      framer.push(Buffer.from([byte]));
      frames.push(...drain(framer));
    }
    expect(frames).toEqual([packet.toString('hex')]);
    expect(framer.bodyOffset).toBe(3);
  });

  it('refuses a packet over the limit by its announcement, before its bytes', () => {
    const framer = new PacketFramer(100);
    framer.push(Buffer.from([0x30, 99]));
    expect(drain(framer)).toEqual([0x95]);
    const exact = new PacketFramer(101);
    exact.push(Buffer.from([0x30, 99]));
    expect(drain(exact)).toEqual([]);
  });

  it('refuses a remaining length of five bytes', () => {
    const framer = new PacketFramer(100);
    framer.push(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]));
    expect(drain(framer)).toEqual([0x81]);
  });

  it('never writes into frames it has handed out', () => {
    const framer = new PacketFramer(100);
    framer.push(Buffer.from('4002', 'hex'));
    framer.push(Buffer.from('0001c0', 'hex'));
    const first = framer.next() as Buffer;
    framer.settle();
    framer.push(Buffer.from('00ffffffff', 'hex'));
    framer.next();
    framer.push(Buffer.from('ffffffffffff', 'hex'));
    expect(first.toString('hex')).toBe('40020001');
  });
});

import { describe, expect, it } from '@jest/globals';
import type { DeviceKey, Incarnation } from '@breakwater/twin';

import type { AppendOutcome } from '../append/lane-queue.ts';
import { type MessageMark, ResendMemories, ResendMemory } from './resend-memory.ts';

const mark = (packetId: number, digest: number, messageId = ''): MessageMark => ({ packetId, digest, messageId });
const DURABLE: Promise<AppendOutcome> = Promise.resolve({ kind: 'durable', appendedAtMs: 1 });

describe('ResendMemory', () => {
  it('knows a packet by id, payload and DUP together', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10));
    expect(memory.find(mark(1, 10), true)).toBe('durable');
    expect(memory.find(mark(1, 10), false)).toBeNull();
    expect(memory.find(mark(1, 11), true)).toBeNull();
    expect(memory.find(mark(2, 10), true)).toBeNull();
  });

  it('knows a message by its own id, with or without DUP', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(0, 0, 'm'));
    expect(memory.find(mark(9, 9, 'm'), false)).toBe('durable');
    expect(memory.find(mark(9, 9, 'n'), false)).toBeNull();
  });

  it('keeps a packet id for its newest message only', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10));
    memory.remember(mark(1, 20));
    expect(memory.find(mark(1, 10), true)).toBeNull();
    expect(memory.find(mark(1, 20), true)).toBe('durable');
  });

  it('answers what is in flight with its outcome, and forgets what failed', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10));
    memory.appending(mark(1, 20, 'm'), DURABLE);
    expect(memory.find(mark(1, 20), true)).toBe(DURABLE);
    expect(memory.find(mark(5, 20, 'm'), false)).toBe(DURABLE);
    expect(memory.find(mark(1, 10), true)).toBeNull();
    memory.settled(mark(1, 20, 'm'), DURABLE, false);
    expect(memory.find(mark(1, 20, 'm'), true)).toBeNull();
  });

  it('keeps the newest, and puts what the log says behind them', () => {
    const memory = new ResendMemory(2);
    memory.remember(mark(3, 30, 'c'));
    memory.fillFromLog([mark(1, 10, 'a'), mark(2, 20, 'b'), mark(3, 29)]);
    expect(memory.find(mark(0, 0, 'a'), false)).toBeNull();
    expect(memory.find(mark(0, 0, 'b'), false)).toBe('durable');
    expect(memory.find(mark(0, 0, 'c'), false)).toBe('durable');
    expect(memory.find(mark(3, 30), true)).toBe('durable');
    expect(memory.find(mark(3, 29), true)).toBeNull();
  });
});

describe('ResendMemories', () => {
  it('holds the devices that were here last, and one memory per life of a device', () => {
    const memories = new ResendMemories({ entriesMax: 2, devicesMax: 2 });
    const of = (key: string, life = 1): ResendMemory => memories.of(key as DeviceKey, life as Incarnation);
    const a = of('t/a');
    expect(of('t/a', 2)).not.toBe(a);
    expect(of('t/a')).toBe(a);
    of('t/b');
    expect(of('t/a')).toBe(a);
    of('t/c');
    of('t/d');
    expect(of('t/a')).not.toBe(a);
  });
});

import { describe, expect, it } from '@jest/globals';

import type { AppendOutcome } from '../append/lane-queue.ts';
import { type FlyingMessage, type LoggedMark, type MessageMark, ResendMemory } from './resend-memory.ts';

const mark = (packetId: number, digest: number, more: Partial<LoggedMark> = {}): LoggedMark => ({
  packetId,
  digest,
  messageId: '',
  sessionEpoch: 5,
  appendedAtMs: 1,
  ...more,
});
const DURABLE: Promise<AppendOutcome> = Promise.resolve({ kind: 'durable', appendedAtMs: 1 });
const onItsWay = (of: MessageMark): FlyingMessage => ({ mark: of, whenSettled: () => DURABLE });
const RESENT = { dup: true, previousEpoch: 4 } as const;
const NEW = { dup: false, previousEpoch: 4 } as const;

describe('ResendMemory', () => {
  it('knows a packet by id, payload and DUP together', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10));
    expect(memory.find(mark(1, 10), RESENT)).toBe('durable');
    expect(memory.find(mark(1, 10), NEW)).toBeNull();
    expect(memory.find(mark(1, 11), RESENT)).toBeNull();
    expect(memory.find(mark(2, 10), RESENT)).toBeNull();
  });

  it('knows a packet of this session and of the one before, and of no older one', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10, { sessionEpoch: 3 }));
    memory.remember(mark(2, 20, { sessionEpoch: 4 }));
    const flying = onItsWay(mark(3, 30, { sessionEpoch: 3 }));
    memory.appending(flying);
    expect(memory.find(mark(1, 10), RESENT)).toBeNull();
    expect(memory.find(mark(2, 20), RESENT)).toBe('durable');
    expect(memory.find(mark(3, 30), RESENT)).toBeNull();
    expect(memory.find(mark(3, 30), { dup: true, previousEpoch: 3 })).toBe(flying);
  });

  it('takes a packet id for another message once it was released', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10, { appendedAtMs: 50 }));
    memory.released(1, 999);
    expect(memory.releases()).toEqual([{ packetId: 1, appendedAtMs: 50 }]);
    expect(memory.find(mark(1, 10), RESENT)).toBeNull();
    memory.remember(mark(1, 10, { appendedAtMs: 51 }));
    expect(memory.find(mark(1, 10), RESENT)).toBe('durable');
  });

  it('learns of releases from elsewhere, before or after the log, and keeps the newest of a few', () => {
    const memory = new ResendMemory(2);
    memory.takeReleases([
      { packetId: 1, appendedAtMs: 50 },
      { packetId: 1, appendedAtMs: 40 },
    ]);
    memory.beginRead('telemetry')([mark(1, 10, { appendedAtMs: 50 }), mark(2, 20, { appendedAtMs: 60 })]);
    expect(memory.find(mark(1, 10), RESENT)).toBeNull();
    expect(memory.find(mark(2, 20), RESENT)).toBe('durable');
    // Of a message that nobody has read from the log only the time is known.
    memory.released(3, 70);
    memory.released(2, 70);
    expect(memory.releases()).toEqual([
      { packetId: 3, appendedAtMs: 69 },
      { packetId: 2, appendedAtMs: 60 },
    ]);
  });

  it('knows a message by its own id, with or without DUP, whatever session it came in', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(0, 0, { messageId: 'm', sessionEpoch: 1 }));
    expect(memory.find(mark(9, 9, { messageId: 'm' }), NEW)).toBe('durable');
    expect(memory.find(mark(9, 9, { messageId: 'n' }), NEW)).toBeNull();
  });

  it('keeps a packet id for its newest message only', () => {
    const memory = new ResendMemory(4);
    memory.remember(mark(1, 10));
    memory.remember(mark(1, 20));
    expect(memory.find(mark(1, 10), RESENT)).toBeNull();
    expect(memory.find(mark(1, 20), RESENT)).toBe('durable');
    memory.remember(mark(1, 30, { sessionEpoch: 4 }));
    expect(memory.find(mark(1, 30), RESENT)).toBeNull();
  });

  it('answers what is in flight with its outcome, and forgets what failed', () => {
    const memory = new ResendMemory(4);
    const second = onItsWay(mark(1, 20, { messageId: 'm' }));
    memory.remember(mark(1, 10));
    memory.appending(second);
    expect(memory.find(mark(1, 20), RESENT)).toBe(second);
    expect(memory.find(mark(5, 20, { messageId: 'm' }), NEW)).toBe(second);
    expect(memory.find(mark(1, 10), RESENT)).toBeNull();
    memory.settled(second, { kind: 'failed', detail: '' });
    expect(memory.find(second.mark, RESENT)).toBeNull();
  });

  it('forgets the oldest ids and packets first, and never one that is on its way', () => {
    const memory = new ResendMemory(2);
    const waiting = onItsWay(mark(1, 10, { messageId: 'waiting' }));
    memory.appending(waiting);
    for (const [index, messageId] of ['a', 'b', 'c'].entries()) {
      const passing = onItsWay(mark(2 + index, 20, { messageId }));
      memory.appending(passing);
      memory.settled(passing, { kind: 'durable', appendedAtMs: index });
    }
    const known = (messageId: string): unknown => memory.find(mark(0, 0, { messageId }), NEW);
    expect(['a', 'b', 'c', 'waiting'].map(known)).toEqual([null, 'durable', 'durable', waiting]);
    expect([2, 3, 4].map((packetId) => memory.find(mark(packetId, 20), RESENT))).toEqual([null, 'durable', 'durable']);
    memory.beginRead('telemetry')([mark(0, 0, { messageId: 'waiting', sessionEpoch: 1 })]);
    expect(['b', 'c', 'waiting'].map(known)).toEqual(['durable', 'durable', waiting]);
    memory.settled(waiting, { kind: 'durable', appendedAtMs: 9 });
    expect(['b', 'c', 'waiting'].map(known)).toEqual([null, 'durable', 'durable']);
    expect(memory.find(mark(1, 10), RESENT)).toBe('durable');
  });

  it('keeps the newest, and puts what the log says behind them', () => {
    const memory = new ResendMemory(2);
    memory.remember(mark(3, 30, { messageId: 'c' }));
    const older = { sessionEpoch: 4 };
    memory.beginRead('telemetry')([
      mark(1, 10, { ...older, messageId: 'a' }),
      mark(2, 20, { ...older, messageId: 'b' }),
      mark(3, 29, older),
    ]);
    expect(memory.find(mark(0, 0, { messageId: 'a' }), NEW)).toBeNull();
    expect(memory.find(mark(0, 0, { messageId: 'b' }), NEW)).toBe('durable');
    expect(memory.find(mark(0, 0, { messageId: 'c' }), NEW)).toBe('durable');
    expect(memory.find(mark(3, 30), RESENT)).toBe('durable');
    expect(memory.find(mark(3, 29), RESENT)).toBeNull();
  });

  it('passes over numbers of sessions that did not open', () => {
    const memory = new ResendMemory(2);
    expect(memory.previousOf(7, 6)).toBe(6);
    expect(memory.previousOf(8, 7)).toBe(6);
    expect(memory.previousOf(9, 8)).toBe(6);
    memory.openedEpoch = 9;
    expect(memory.previousOf(10, 9)).toBe(9);
    // Number 11 went to another gateway.
    expect(memory.previousOf(12, 11)).toBe(11);
  });

  it('takes the later of two uses of a packet id, whichever lane is read first', () => {
    const earlier = mark(1, 10, { sessionEpoch: 4, appendedAtMs: 100 });
    const later = mark(1, 20, { sessionEpoch: 4, appendedAtMs: 101 });
    for (const lanes of [
      [earlier, later],
      [later, earlier],
    ]) {
      const memory = new ResendMemory(4);
      for (const lane of lanes) memory.beginRead('telemetry')([lane]);
      expect(memory.find(mark(1, 10), RESENT)).toBeNull();
      expect(memory.find(mark(1, 20), RESENT)).toBe('durable');
    }
  });

  it('has a gap from the beginning, after an append of which nobody knows, and until the log was read', () => {
    const memory = new ResendMemory(4);
    expect([...memory.unreadLanes]).toEqual(['control', 'telemetry']);
    memory.beginRead('control')([]);
    memory.beginRead('telemetry')([]);
    expect(memory.isWhole).toBe(true);
    const [first, second] = [onItsWay(mark(1, 10)), onItsWay(mark(1, 10))];
    memory.appending(first);
    memory.settled(first, { kind: 'failed', detail: 'it was never sent' });
    expect(memory.isWhole).toBe(true);
    memory.appending(second);
    memory.settled(second, { kind: 'failed', detail: 'no answer', mayBeLogged: true });
    expect([...memory.unreadLanes]).toEqual(['control', 'telemetry']);
  });

  it('keeps a gap that is newer than the read that was to fill it', () => {
    const memory = new ResendMemory(4);
    const done = memory.beginRead('telemetry');
    memory.missed();
    done([mark(1, 10)]);
    expect([...memory.unreadLanes]).toEqual(['control', 'telemetry']);
    expect(memory.find(mark(1, 10), RESENT)).toBe('durable');
  });
});

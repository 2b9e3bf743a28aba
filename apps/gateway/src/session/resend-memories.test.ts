import { describe, expect, it } from '@jest/globals';

import type { AppendOutcome } from '../append/lane-queue.ts';
import { type RememberingSession, ResendMemories } from './resend-memories.ts';
import { type FlyingMessage, type MessageMark, ResendMemory } from './resend-memory.ts';

const LIMITS = { entriesMax: 8, restingDevicesMax: 3, restingBytesMax: 10_000 };
const DURABLE: AppendOutcome = { kind: 'durable', appendedAtMs: 7 };
const NEW = { dup: false, previousEpoch: 0 } as const;
const SESSION_MEMORY = new ResendMemory(1);

const sessionOf = (sessionKey: string, sessionEpoch = 1): RememberingSession => ({
  sessionKey,
  sessionEpoch,
  gate: null,
  broken: false,
  memory: SESSION_MEMORY,
});
const markOf = (messageId: string): MessageMark => ({ sessionEpoch: 1, packetId: 0, digest: 0, messageId });
const known = ({ memory }: RememberingSession, messageId: string): unknown => memory.find(markOf(messageId), NEW);

function openedIn(memories: ResendMemories, sessionKey: string): RememberingSession {
  const session = sessionOf(sessionKey);
  memories.open(session);
  return session;
}

/** A device that came, sent these and went. */
async function visit(memories: ResendMemories, sessionKey: string, messageIds: readonly string[]): Promise<void> {
  const session = openedIn(memories, sessionKey);
  for (const messageId of messageIds) session.memory.remember({ ...markOf(messageId), appendedAtMs: 1 });
  await memories.close(session);
}

describe('ResendMemories', () => {
  it('has one memory for all sessions of a device, and another one for its next life', async () => {
    const memories = new ResendMemories(LIMITS);
    const [first, second, nextLife] = ['t/a#1', 't/a#1', 't/a#2'].map((key) => openedIn(memories, key));
    expect(second!.memory).toBe(first!.memory);
    expect(nextLife!.memory).not.toBe(first!.memory);
    await memories.close(first!);
    expect(memories.restingDevices).toBe(0);
    expect(openedIn(memories, 't/a#1').memory).toBe(second!.memory);
  });

  it('packs what the last session of a device leaves, and knows all of it when the device is back', async () => {
    const memories = new ResendMemories(LIMITS);
    const session = openedIn(memories, 't/a#1');
    const { memory } = session;
    memory.beginsWhole();
    memory.openedEpoch = 1;
    memory.remember({ ...markOf('m'), appendedAtMs: 1 });
    await memories.close(session);
    expect([memories.restingDevices, memory.isWhole, known(session, 'm')]).toEqual([1, false, null]);
    const back = openedIn(memories, 't/a#1');
    expect([back.memory.isWhole, back.memory.openedEpoch, known(back, 'm')]).toEqual([true, 1, 'durable']);
    expect([memories.restingDevices, memories.restingBytes]).toEqual([0, 0]);
  });

  it('waits for what is on its way and for what is still to enter, and lets nothing enter afterwards', async () => {
    const memories = new ResendMemories(LIMITS);
    let enter = (): void => undefined;
    let settle = (_outcome: AppendOutcome): void => undefined;
    const gate = { current: new Promise<void>((resolve) => (enter = resolve)) as Promise<void> | null };
    const session = {
      ...sessionOf('t/a#1'),
      get gate() {
        return gate.current;
      },
    };
    memories.open(session);
    const closed = memories.close(session);
    expect(session.broken).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(memories.restingDevices).toBe(0);
    const landed = new Promise<AppendOutcome>((resolve) => (settle = resolve));
    const flying: FlyingMessage = { mark: markOf('late'), whenSettled: () => landed };
    session.memory.appending(flying);
    gate.current = null;
    enter();
    await new Promise((resolve) => setImmediate(resolve));
    expect(memories.restingDevices).toBe(0);
    session.memory.settled(flying, DURABLE);
    settle(DURABLE);
    await closed;
    expect(memories.restingDevices).toBe(1);
    expect(known(openedIn(memories, 't/a#1'), 'late')).toBe('durable');
  });

  it('goes on with a device that came back while its older session was still ending', async () => {
    const memories = new ResendMemories(LIMITS);
    const older = openedIn(memories, 't/a#1');
    const newer = sessionOf('t/a#1', 2);
    const closed = memories.close(older);
    memories.open(newer);
    await closed;
    expect([memories.restingDevices, newer.memory === older.memory]).toEqual([0, true]);
    await memories.close(newer);
    expect(memories.restingDevices).toBe(1);
  });

  it('holds so many devices that are gone, those that went last', async () => {
    const memories = new ResendMemories(LIMITS);
    for (const key of ['t/a#1', 't/b#1', 't/c#1']) await visit(memories, key, ['m']);
    await visit(memories, 't/a#1', []);
    await visit(memories, 't/d#1', ['m']);
    expect(memories.restingDevices).toBe(3);
    const found = ['t/a#1', 't/b#1', 't/c#1', 't/d#1'].map((key) => known(openedIn(memories, key), 'm'));
    expect(found).toEqual(['durable', null, 'durable', 'durable']);
  });

  it('holds so many bytes of them, however many there are, and counts none twice', async () => {
    const restingBytesMax = 3_000;
    const memories = new ResendMemories({ ...LIMITS, restingDevicesMax: 1_000, restingBytesMax });
    const ids = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(30));
    let bytesMax = 0;
    for (let round = 0; round < 3; round += 1) {
      for (let device = 0; device < 100; device += 1) {
        await visit(memories, `t/${device}#1`, ids);
        bytesMax = Math.max(bytesMax, memories.restingBytes);
      }
    }
    expect(bytesMax).toBeLessThanOrEqual(restingBytesMax);
    expect(memories.restingBytes).toBeGreaterThan(restingBytesMax / 2);
    expect(memories.restingDevices).toBeGreaterThan(1);
    expect(known(openedIn(memories, 't/0#1'), ids[7]!)).toBeNull();
    expect(known(openedIn(memories, 't/99#1'), ids[7]!)).toBe('durable');
  });

  it('holds none where none may rest', async () => {
    const memories = new ResendMemories({ ...LIMITS, restingDevicesMax: 0 });
    await visit(memories, 't/a#1', ['m']);
    expect([memories.restingDevices, memories.restingBytes]).toEqual([0, 0]);
    expect(known(openedIn(memories, 't/a#1'), 'm')).toBeNull();
  });
});

import { MemorySessionDirectory } from '@breakwater/adapter-memory';
import { describe, expect, it } from '@jest/globals';
import type { SessionSnapshot } from '@breakwater/mqtt-endpoint';
import type { DeviceKey, Incarnation, SessionEpoch } from '@breakwater/twin';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { partitionOf } from '@breakwater/wire';

import { ResendMemory } from '../resend-memory.ts';
import { sessionKeyOf, StoredSessions } from './stored-sessions.ts';

const KEY = 'default/d1' as DeviceKey;
const PARTITIONS = 4;
const PARTITION = partitionOf(KEY, PARTITIONS);
const FIRST_LIFE = sessionKeyOf(KEY, 1 as Incarnation);
const SECOND_LIFE = sessionKeyOf(KEY, 2 as Incarnation);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const snapshotOf = (more: Partial<SessionSnapshot> = {}): SessionSnapshot => ({
  savedAtMs: 1_000_000,
  isAttached: true,
  expiresInMs: 10 * HOUR_MS,
  subscriptions: [['v1/devices/me/#', 1]],
  receivedIds: [7],
  lastPacketId: 3,
  messages: [],
  ...more,
});

function fixture() {
  const clock = new VirtualClock(1_000_000);
  const directory = new MemorySessionDirectory(clock);
  const unreadable: string[] = [];
  const identity = { id: 'g1' as string | null };
  const make = (): StoredSessions =>
    new StoredSessions({
      directory,
      archive: directory,
      clock,
      partitionCount: PARTITIONS,
      detachedMax: 1,
      gatewayId: () => identity.id,
      onUnreadable: (_, detail) => unreadable.push(detail),
      onTrouble: () => undefined,
    });
  return { clock, directory, unreadable, identity, make, sessions: make() };
}

const open = (sessions: StoredSessions, isResumed = false, memory = new ResendMemory(8)) =>
  sessions.opened(FIRST_LIFE, { isResumed, memory });

describe('StoredSessions', () => {
  it('claims by the takeover, and answers what was saved and by whom', async () => {
    const { sessions } = fixture();
    expect(await sessions.claim(FIRST_LIFE)).toEqual({ epoch: 1, previousEpoch: null, snapshot: null });
    expect(open(sessions)).toMatchObject({ key: KEY, partition: PARTITION, sessionEpoch: 1, gatewayId: 'g1' });
    expect(await sessions.save(FIRST_LIFE, 1, snapshotOf())).toBe('saved');
    expect(await sessions.claim(FIRST_LIFE)).toEqual({ epoch: 2, previousEpoch: 1, snapshot: snapshotOf() });
    expect(await sessions.save(FIRST_LIFE, 1, snapshotOf())).toBe('fenced');
    expect(await sessions.save(FIRST_LIFE, 2, snapshotOf())).toBe('saved');
  });

  it('finds nothing of another life, and fences what that one still writes', async () => {
    const { sessions } = fixture();
    await sessions.claim(FIRST_LIFE);
    await sessions.save(FIRST_LIFE, 1, snapshotOf());
    expect(await sessions.claim(SECOND_LIFE)).toEqual({ epoch: 2, previousEpoch: 1, snapshot: null });
    expect(await sessions.save(FIRST_LIFE, 1, snapshotOf())).toBe('fenced');
    await sessions.save(SECOND_LIFE, 2, snapshotOf({ lastPacketId: 9 }));
    await sessions.remove(FIRST_LIFE, 1);
    expect(await sessions.claim(SECOND_LIFE)).toMatchObject({ snapshot: { lastPacketId: 9 } });
  });

  it('claims nothing without an identity', async () => {
    const { sessions, identity } = fixture();
    identity.id = null;
    await expect(sessions.claim(FIRST_LIFE)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('remembers across gateways the first connection of a session, and its released packet ids', async () => {
    const { sessions, make } = fixture();
    const memory = new ResendMemory(8);
    await sessions.claim(FIRST_LIFE);
    expect(open(sessions, false, memory).firstEpoch).toBe(1);
    memory.remember({ packetId: 4, digest: 1, messageId: '', sessionEpoch: 1, appendedAtMs: 50 });
    memory.released(4, 99);
    await sessions.save(FIRST_LIFE, 1, snapshotOf());
    const other = make();
    const elsewhere = new ResendMemory(8);
    await other.claim(FIRST_LIFE);
    expect(open(other, true, elsewhere).firstEpoch).toBe(1);
    expect(elsewhere.releases()).toEqual([{ packetId: 4, appendedAtMs: 50 }]);
    await other.save(FIRST_LIFE, 2, snapshotOf());
    const third = make();
    await third.claim(FIRST_LIFE);
    const anew = new ResendMemory(8);
    expect(open(third, false, anew).firstEpoch).toBe(3);
    expect(anew.releases()).toEqual([]);
  });

  it('keeps a connected session for its whole expiry after its gateway died, and not for ever', async () => {
    const { sessions, clock, directory } = fixture();
    await sessions.claim(FIRST_LIFE);
    open(sessions);
    await sessions.save(FIRST_LIFE, 1, snapshotOf());
    for (let passedMs = 0; passedMs < 3 * DAY_MS; passedMs += HOUR_MS / 6) {
      await clock.advance(HOUR_MS / 6);
      await sessions.extendDue();
    }
    // It dies: nothing is extended any more.
    await clock.advance(10 * HOUR_MS);
    expect((await directory.open(PARTITION, KEY, 'g2')).archived).not.toBeNull();
    await clock.advance(HOUR_MS);
    expect((await directory.open(PARTITION, KEY, 'g2')).archived).toBeNull();
  });

  it('keeps a session without a connection for what is left of its expiry, and extends it no more', async () => {
    const { sessions, clock, directory } = fixture();
    await sessions.claim(FIRST_LIFE);
    const { sessionEpoch } = open(sessions);
    await sessions.save(FIRST_LIFE, 1, snapshotOf());
    sessions.closed(FIRST_LIFE, sessionEpoch);
    await sessions.save(FIRST_LIFE, 1, snapshotOf({ isAttached: false, expiresInMs: 2 * HOUR_MS }));
    for (let minutes = 0; minutes < 120; minutes += 10) {
      await clock.advance(HOUR_MS / 6);
      await sessions.extendDue();
    }
    await clock.advance(120_000);
    expect((await directory.open(PARTITION, KEY, 'g2')).archived).toBeNull();
  });

  it('forgets what is removed, and writes it anew when the session lasts again', async () => {
    const { sessions } = fixture();
    await sessions.claim(FIRST_LIFE);
    open(sessions);
    await sessions.save(FIRST_LIFE, 1, snapshotOf());
    await sessions.remove(FIRST_LIFE, 1);
    expect(await sessions.save(FIRST_LIFE, 1, snapshotOf({ lastPacketId: 5 }))).toBe('saved');
    expect(await sessions.claim(FIRST_LIFE)).toMatchObject({ snapshot: { lastPacketId: 5 } });
  });

  it('still writes for sessions that it let go of', async () => {
    const { sessions } = fixture();
    const others = [2, 3].map((number) => sessionKeyOf(`default/d${number}` as DeviceKey, 1 as Incarnation));
    for (const key of [FIRST_LIFE, ...others]) {
      await sessions.claim(key);
      sessions.opened(key, { isResumed: false, memory: new ResendMemory(8) });
      await sessions.save(key, 1, snapshotOf());
      sessions.closed(key, 1 as SessionEpoch);
    }
    expect(await sessions.save(FIRST_LIFE, 1, snapshotOf({ isAttached: false }))).toBe('saved');
  });

  it('does not take for its own what somebody else had since, and left nothing of', async () => {
    const { sessions, directory } = fixture();
    await sessions.claim(FIRST_LIFE);
    const { sessionEpoch } = open(sessions);
    await sessions.save(FIRST_LIFE, 1, snapshotOf());
    sessions.closed(FIRST_LIFE, sessionEpoch);
    const elsewhere = await directory.open(PARTITION, KEY, 'g2');
    await directory.remove(PARTITION, KEY, elsewhere.sessionEpoch);
    expect(await sessions.claim(FIRST_LIFE)).toEqual({ epoch: 3, previousEpoch: 0, snapshot: null });
  });

  it('names the takeovers whose connection was lost before its session opened', async () => {
    const { sessions, clock, directory } = fixture();
    await directory.open(PARTITION, KEY, 'g0');
    await sessions.claim(FIRST_LIFE);
    expect(sessions.takeAbandoned()).toEqual([]);
    await clock.advance(31_000);
    const leaving = [{ sessionEpoch: 1, gatewayId: 'g0', isHeard: false }];
    expect(sessions.takeAbandoned()).toMatchObject([{ key: KEY, sessionEpoch: 2, gatewayId: 'g1', leaving }]);
    expect(sessions.takeAbandoned()).toEqual([]);
    expect(() => open(sessions)).toThrow('took too long');
    await sessions.claim(FIRST_LIFE);
    open(sessions);
    await clock.advance(31_000);
    expect(sessions.takeAbandoned()).toEqual([]);
  });

  it('reports what cannot be read, and goes on without it', async () => {
    const { sessions, directory, unreadable } = fixture();
    const { sessionEpoch } = await directory.open(PARTITION, KEY, 'g0');
    await directory.save(PARTITION, KEY, { sessionEpoch, bytes: Buffer.of(9), ttlMs: 1_000 });
    expect(await sessions.claim(FIRST_LIFE)).toEqual({ epoch: 2, previousEpoch: 1, snapshot: null });
    expect(unreadable).toEqual(['version 9, and 1 is known']);
  });
});

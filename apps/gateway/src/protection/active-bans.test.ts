import type { DeviceId, DeviceKey, TenantId } from '@breakwater/twin';
import { MemoryBanList } from '@breakwater/adapter-memory';
import type { Ban, BanList, NewBan } from '@breakwater/twin-runtime';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { beforeEach, describe, expect, it } from '@jest/globals';

import { ActiveBans } from './active-bans.ts';

const KEY = 'default/a' as DeviceKey;
const BAN: NewBan = {
  subject: { kind: 'device', tenant: 'default' as TenantId, device: 'a' as DeviceId, credential: 'digest' },
  reason: 'flapping',
  durationMs: 60_000,
};
const POLL_MS = 1_000;

/** A list that can be away, and counts how often it is asked. */
class ShakyList implements BanList {
  isAway = false;
  reads = 0;

  constructor(readonly inner: MemoryBanList) {}

  async put(ban: NewBan): Promise<Ban> {
    this.#check();
    return this.inner.put(ban);
  }

  async lift(id: string): Promise<Ban | null> {
    return this.inner.lift(id);
  }

  async find(id: string): Promise<Ban | null> {
    return this.inner.find(id);
  }

  async read(version: string | null): ReturnType<BanList['read']> {
    this.reads += 1;
    this.#check();
    return this.inner.read(version);
  }

  #check(): void {
    if (this.isAway) throw new Error('away');
  }
}

describe('the bans in memory', () => {
  let clock: VirtualClock;
  let list: ShakyList;
  let active: ActiveBans;
  let lifted: string[];
  let troubles: string[];

  beforeEach(() => {
    clock = new VirtualClock(1_000_000);
    list = new ShakyList(new MemoryBanList(clock, { bansMax: 10 }));
    lifted = [];
    troubles = [];
    active = new ActiveBans({
      bans: list,
      clock,
      pollMs: POLL_MS,
      onLifted: ({ id }) => lifted.push(id),
      onTrouble: (detail) => troubles.push(detail),
    });
  });

  it('are those of before from the start on', async () => {
    await list.put(BAN);
    await active.start();
    expect(active.ofDevice(KEY)?.reason).toBe('flapping');
    expect(active.ofCredential('digest')?.id).toBe('device:default:a');
    expect(active.ofDevice('default/b' as DeviceKey)).toBeNull();
    await active.stop();
  });

  it('ask once in a poll, not once in a CONNECT', async () => {
    await active.start();
    for (let count = 0; count < 1_000; count += 1) active.ofDevice(KEY);
    await clock.advance(10 * POLL_MS);
    expect(list.reads).toBe(11);
  });

  it('hold at once where they are made, and reach the list', async () => {
    await active.start();
    active.add(BAN);
    expect(active.ofDevice(KEY)).not.toBeNull();
    expect(await list.find('device:default:a')).toBeNull();
    await clock.advance(POLL_MS);
    expect(await list.find('device:default:a')).not.toBeNull();
    expect(active.ofDevice(KEY)).not.toBeNull();
  });

  it('stand while the list is away, and are written when it is back, once', async () => {
    await active.start();
    list.isAway = true;
    active.add(BAN);
    await clock.advance(10 * POLL_MS);
    expect(active.ofDevice(KEY)).not.toBeNull();
    expect(troubles).toHaveLength(1);
    list.isAway = false;
    await clock.advance(POLL_MS);
    expect(await list.find('device:default:a')).not.toBeNull();
    await list.lift('device:default:a');
    await clock.advance(POLL_MS);
    expect(active.ofDevice(KEY)).toBeNull();
  });

  it('that ended while the list was away are not begun anew', async () => {
    await active.start();
    list.isAway = true;
    active.add(BAN);
    await clock.advance(BAN.durationMs + POLL_MS);
    list.isAway = false;
    await clock.advance(POLL_MS);
    expect(await list.find('device:default:a')).toBeNull();
    expect(active.ofDevice(KEY)).toBeNull();
  });

  it('end by themselves without being called lifted, and are called so when they are', async () => {
    await active.start();
    active.add(BAN);
    await clock.advance(BAN.durationMs + POLL_MS);
    expect(active.ofDevice(KEY)).toBeNull();
    active.add({
      subject: { kind: 'address', address: '192.0.2.1' },
      reason: 'authenticationFailures',
      durationMs: 60_000,
    });
    await clock.advance(POLL_MS);
    expect(active.ofAddress('192.0.2.1')).not.toBeNull();
    expect(lifted).toEqual([]);
    await list.lift('address:192.0.2.1');
    await clock.advance(POLL_MS);
    expect(active.ofAddress('192.0.2.1')).toBeNull();
    expect(lifted).toEqual(['address:192.0.2.1']);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceId, TenantId } from '@breakwater/twin';

import { type BanList, banIdOf, type BanSubject, type NewBan } from '../ports/ban-list.ts';
import { type ContractHarness, type HarnessMaker, LEASE_UNDER_TEST_MS, passOf } from './contract-harness.ts';

export interface BanListContractOptions {
  readonly bansMax: number;
}

const BANS_MAX = 4;
const LONG_MS = 60_000;
const TENANT = 'default' as TenantId;

function deviceBan(device: string, durationMs = LONG_MS): NewBan {
  const subject = {
    kind: 'device',
    tenant: TENANT,
    device: device as DeviceId,
    credential: `digest-${device}`,
  } as const;
  return { subject, reason: 'flapping', durationMs };
}

function addressBan(address: string, durationMs = LONG_MS): NewBan {
  return { subject: { kind: 'address', address }, reason: 'authenticationFailures', durationMs };
}

/** What every list of bans must do. */
export function banListContract(name: string, maker: HarnessMaker<BanList, BanListContractOptions>): void {
  describe(`ban list contract: ${name}`, () => {
    let harness: ContractHarness<BanList>;
    beforeEach(async () => {
      harness = await maker.make({ bansMax: BANS_MAX });
    });
    afterEach(() => harness.cleanup());
    const current = (): BanList => harness.port;
    changes(current);
    bounds(current, (durationMs) => passOf(harness)(durationMs));
  });
}

function changes(current: () => BanList): void {
  it('has nothing at first, and says so once', async () => {
    const snapshot = await current().read(null);
    expect(snapshot?.bans).toEqual([]);
    expect(await current().read(snapshot?.version ?? '')).toBeNull();
  });

  it('gives back what was put, with its times', async () => {
    const device = deviceBan('pump:1');
    const address = addressBan('2001:db8:0:1::');
    const put = [await current().put(device), await current().put(address)];
    expect(put.map(({ id }) => id)).toEqual(['device:default:pump:1', 'address:2001:db8:0:1::']);
    for (const [at, { sinceMs, untilMs, subject, reason }] of put.entries()) {
      expect({ subject, reason }).toEqual(at === 0 ? pick(device) : pick(address));
      expect(untilMs - sinceMs).toBe(LONG_MS);
      expect(await current().find(put[at]?.id ?? '')).toEqual(put[at]);
    }
    const snapshot = await current().read(null);
    expect(new Set(snapshot?.bans)).toEqual(new Set(put));
  });

  it('changes its version with each ban that is put and each that is lifted', async () => {
    const versions = new Set<string>();
    const note = async (): Promise<void> => {
      versions.add((await current().read(null))?.version ?? '');
    };
    await note();
    const { id } = await current().put(deviceBan('a'));
    await note();
    await current().put(deviceBan('a'));
    await note();
    await current().lift(id);
    await note();
    expect(versions.size).toBe(4);
    const last = (await current().read(null))?.version ?? '';
    expect(await current().lift(id)).toBeNull();
    expect(await current().read(last)).toBeNull();
  });

  it('lifts one ban and no other', async () => {
    const a = await current().put(deviceBan('a'));
    const b = await current().put(deviceBan('b'));
    expect(await current().lift(a.id)).toEqual(a);
    expect(await current().find(a.id)).toBeNull();
    expect((await current().read(null))?.bans).toEqual([b]);
    expect(await current().lift('device:default:none')).toBeNull();
  });

  it('has one ban of who is banned twice, the newer one', async () => {
    const first = await current().put(deviceBan('a', 1_000));
    const second = await current().put(deviceBan('a', LONG_MS));
    expect(second.id).toBe(first.id);
    expect((await current().read(null))?.bans).toEqual([second]);
  });

  it('keeps names of every object apart from its own', async () => {
    const subject: BanSubject = { kind: 'address', address: '__proto__' };
    await current().put({ subject, reason: 'authenticationFailures', durationMs: LONG_MS });
    expect(await current().find(banIdOf(subject))).toMatchObject({ subject });
    expect(await current().find('constructor')).toBeNull();
  });
}

function bounds(current: () => BanList, pass: (durationMs: number) => Promise<void>): void {
  it('forgets a ban when its time is over', async () => {
    const short = await current().put(deviceBan('short', LEASE_UNDER_TEST_MS));
    const long = await current().put(deviceBan('long'));
    await pass(LEASE_UNDER_TEST_MS + 200);
    expect(await current().find(short.id)).toBeNull();
    expect((await current().read(null))?.bans).toEqual([long]);
    expect(await current().lift(short.id)).toBeNull();
  });

  it('makes room by the ban that ends first', async () => {
    for (const [at, device] of ['b', 'a', 'c', 'd'].entries()) await current().put(deviceBan(device, LONG_MS + at));
    await current().put(deviceBan('a', 2 * LONG_MS));
    expect((await current().read(null))?.bans).toHaveLength(BANS_MAX);
    await current().put(deviceBan('e', 2 * LONG_MS));
    const left = (await current().read(null))?.bans ?? [];
    expect(left.map(({ id }) => id).sort()).toEqual(['a', 'c', 'd', 'e'].map((device) => `device:default:${device}`));
  });
}

function pick({ subject, reason }: NewBan): Pick<NewBan, 'subject' | 'reason'> {
  return { subject, reason };
}

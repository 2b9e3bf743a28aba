import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceKey, Partition } from '@breakwater/twin';

import { LEAVING_SESSIONS_MAX, type SessionDirectory, type SessionEntry } from '../ports/session-directory.ts';
import { type ContractHarness, type HarnessMaker, LEASE_UNDER_TEST_MS, passOf } from './contract-harness.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const KEY = 'default/d1' as DeviceKey;
const LONG_MS = 60_000;
const PAGES_MAX = 100;

/** What every session directory must do. */
export function sessionDirectoryContract(name: string, maker: HarnessMaker<SessionDirectory>): void {
  describe(`session directory contract: ${name}`, () => {
    let harness: ContractHarness<SessionDirectory>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());
    const current = (): SessionDirectory => harness.port;
    sessions(current);
    leaving(current);
    gateways(current, (durationMs) => passOf(harness)(durationMs));
  });
}

function sessions(current: () => SessionDirectory): void {
  it('gives each connection of a device a higher epoch and names the session it replaced', async () => {
    const first = await current().open(P0, KEY, 'g1');
    expect(first.displaced).toBeNull();
    expect(first.sessionEpoch).toBeGreaterThan(0);
    expect(first.previousEpoch).toBe(0);
    const second = await current().open(P0, KEY, 'g2');
    expect(second.sessionEpoch).toBeGreaterThan(first.sessionEpoch);
    expect(second.previousEpoch).toBe(first.sessionEpoch);
    expect(second.displaced).toEqual({ key: KEY, sessionEpoch: first.sessionEpoch, gatewayId: 'g1' });
  });

  it('closes only the session that is meant, and goes on counting epochs', async () => {
    const first = await current().open(P0, KEY, 'g1');
    const second = await current().open(P0, KEY, 'g1');
    expect(await current().close(P0, KEY, first.sessionEpoch)).toBe(false);
    expect(await current().find(P0, [KEY])).toMatchObject([{ sessionEpoch: second.sessionEpoch }]);
    expect(await current().close(P0, KEY, second.sessionEpoch)).toBe(true);
    expect(await current().close(P0, KEY, second.sessionEpoch)).toBe(false);
    expect(await current().find(P0, [KEY])).toEqual([null]);
    const third = await current().open(P0, KEY, 'g1');
    expect(third.displaced).toBeNull();
    expect(third.sessionEpoch).toBeGreaterThan(second.sessionEpoch);
  });

  it('finds in the order of the keys', async () => {
    const other = 'default/d2' as DeviceKey;
    await current().open(P0, KEY, 'g1');
    await current().open(P0, other, 'g2');
    const found = await current().find(P0, [other, 'default/none' as DeviceKey, KEY]);
    expect(found.map((entry) => entry?.gatewayId ?? null)).toEqual(['g2', null, 'g1']);
    expect(await current().find(P0, [])).toEqual([]);
  });

  it('scans all sessions of a partition and no others', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `default/scan-${index}` as DeviceKey);
    const opened = [];
    for (const key of keys) opened.push(await current().open(P0, key, 'g1'));
    await current().open(P1, 'default/elsewhere' as DeviceKey, 'g1');
    const seen = new Map<string, SessionEntry>();
    let cursor = '0';
    let pages = 0;
    do {
      const page = await current().scan(P0, cursor, 50);
      for (const entry of page.entries) seen.set(entry.key, entry);
      cursor = page.cursor;
    } while (cursor !== '0' && ++pages < PAGES_MAX);
    expect([...seen.keys()].sort()).toEqual([...keys].sort());
    const sessionEpoch = opened[0]?.sessionEpoch;
    expect(seen.get(keys[0] as string)).toEqual({ key: keys[0], sessionEpoch, gatewayId: 'g1' });
  });

  it('scans an empty partition in one page', async () => {
    expect(await current().scan(P1, '0', 10)).toEqual({ entries: [], cursor: '0' });
  });
}

function leaving(current: () => SessionDirectory): void {
  it('names every session that was taken over from another gateway, until that one has closed it', async () => {
    const first = await current().open(P0, KEY, 'g1');
    expect(first.leaving).toEqual([]);
    const second = await current().open(P0, KEY, 'g2');
    const ofFirst = { sessionEpoch: first.sessionEpoch, gatewayId: 'g1', isHeard: false };
    expect(second.leaving).toEqual([ofFirst]);
    const third = await current().open(P0, KEY, 'g3');
    const ofSecond = { sessionEpoch: second.sessionEpoch, gatewayId: 'g2', isHeard: false };
    expect(third.leaving).toEqual([ofFirst, ofSecond]);
    await current().heard(P0, KEY, first.sessionEpoch);
    expect(await current().leaving(P0, KEY)).toEqual([{ ...ofFirst, isHeard: true }, ofSecond]);
    expect(await current().close(P0, KEY, first.sessionEpoch)).toBe(false);
    expect(await current().leaving(P0, KEY)).toEqual([ofSecond]);
    await current().heard(P0, KEY, first.sessionEpoch);
    expect(await current().leaving(P0, KEY)).toEqual([ofSecond]);
    await current().close(P0, KEY, second.sessionEpoch);
    expect(await current().leaving(P0, KEY)).toEqual([]);
    expect(await current().find(P0, [KEY])).toMatchObject([{ sessionEpoch: third.sessionEpoch }]);
  });

  it('waits for nobody where the gateway is the same, or the session was closed before', async () => {
    await current().open(P0, KEY, 'g1');
    const second = await current().open(P0, KEY, 'g1');
    expect(second.leaving).toEqual([]);
    await current().close(P0, KEY, second.sessionEpoch);
    expect((await current().open(P0, KEY, 'g2')).leaving).toEqual([]);
    await current().heard(P0, KEY, second.sessionEpoch);
    expect(await current().leaving(P0, KEY)).toEqual([]);
  });

  it('remembers the newest ones of very many', async () => {
    const given: number[] = [];
    for (let count = 0; count <= 2 * LEAVING_SESSIONS_MAX; count += 1) {
      given.push((await current().open(P0, KEY, `g${count % 2}`)).sessionEpoch);
    }
    const left = (await current().leaving(P0, KEY)).map(({ sessionEpoch }) => sessionEpoch);
    expect(left).toEqual(given.slice(-1 - LEAVING_SESSIONS_MAX, -1));
  });
}

function gateways(current: () => SessionDirectory, pass: (durationMs: number) => Promise<void>): void {
  it('knows which gateways live', async () => {
    await current().registerGateway('g1', LONG_MS);
    await current().registerGateway('g2', LONG_MS);
    expect(await current().liveGateways(['g2', 'g3', 'g1'])).toEqual(new Set(['g1', 'g2']));
    await current().unregisterGateway('g2');
    expect(await current().liveGateways(['g1', 'g2'])).toEqual(new Set(['g1']));
    expect(await current().liveGateways([])).toEqual(new Set());
  });

  it('renews a lease that stands and not one that was lost', async () => {
    await current().registerGateway('g1', LEASE_UNDER_TEST_MS);
    expect(await current().renewGateway('g1', LEASE_UNDER_TEST_MS)).toBe(true);
    await pass(LEASE_UNDER_TEST_MS + 200);
    expect(await current().liveGateways(['g1'])).toEqual(new Set());
    expect(await current().renewGateway('g1', LONG_MS)).toBe(false);
    expect(await current().liveGateways(['g1'])).toEqual(new Set());
    expect(await current().renewGateway('never', LONG_MS)).toBe(false);
  });
}

import type { CloseReason } from '@breakwater/mqtt-endpoint';
import { type DeviceId, deviceKey, type TenantId } from '@breakwater/twin';
import { MemoryBanList } from '@breakwater/adapter-memory';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { beforeEach, describe, expect, it } from '@jest/globals';

import { ActiveBans } from './active-bans.ts';
import { ConnectGuard, type ConnectGuardSettings, type GuardedDevice } from './connect-guard.ts';
import { type Presented, presentedOf } from './presented.ts';

const TENANT = 'default' as TenantId;
const SETTINGS: ConnectGuardSettings = {
  deviceConnectsPerMinuteMax: 60,
  addressConnectsPerMinuteMax: 0,
  authenticationFailuresMax: 10,
  authenticationBanMs: 300_000,
  flappingClosesMax: 15,
  flappingWindowMs: 60_000,
  flappingBanMs: 300_000,
  protectionKeysMax: 1_000,
};
const POLL_MS = 1_000;

let clock: VirtualClock;
let list: MemoryBanList;
let events: string[];

beforeEach(() => {
  clock = new VirtualClock(1_000_000);
  list = new MemoryBanList(clock, { bansMax: 100 });
  events = [];
});

/** A gateway's guard, following the list of all. */
async function createGuard(more: Partial<ConnectGuardSettings> = {}): Promise<ConnectGuard> {
  const bans = new ActiveBans({
    bans: list,
    clock,
    pollMs: POLL_MS,
    onLifted: (ban) => guard.lifted(ban),
    onTrouble: (detail) => events.push(detail),
  });
  const guard = new ConnectGuard({ ...SETTINGS, ...more, bans, clock, notify: (event) => events.push(event) });
  await bans.start();
  return guard;
}

function present(token: string, more: { clientId?: string; remoteAddress?: string } = {}): Presented {
  return presentedOf({
    clientId: 'c',
    username: null,
    password: Buffer.from(token),
    protocolVersion: 5,
    remoteAddress: '192.0.2.1',
    certificateChain: [],
    ...more,
  });
}

function deviceOf(id: string): GuardedDevice {
  const device = id as DeviceId;
  return { device: { tenant: TENANT, device }, key: deviceKey(TENANT, device) };
}

/** Null or the reason, as for a device that has the token `token-<id>`. */
function connect(guard: ConnectGuard, id: string, token = `token-${id}`): string | null {
  const presented = present(token, { clientId: id });
  return (guard.admit(presented) ?? guard.admitDevice(presented, deviceOf(id)))?.reason ?? null;
}

function lose(guard: ConnectGuard, id: string, times: number, reason: CloseReason = 'connectionLost'): void {
  for (let time = 0; time < times; time += 1) {
    const device = deviceOf(id);
    const presented = present(`token-${id}`, { clientId: id });
    if (guard.admit(presented) === null && guard.admitDevice(presented, device) === null) guard.closed(device, reason);
  }
}

describe('a device that cannot hold its connection', () => {
  it.each(['connectionLost', 'protocolError', 'keepaliveTimeout'] as const)(
    'is banned after 15 × %s',
    async (reason) => {
      const guard = await createGuard();
      lose(guard, 'a', 14, reason);
      expect(connect(guard, 'a')).toBeNull();
      lose(guard, 'a', 1, reason);
      expect(connect(guard, 'a')).toBe('banned');
      expect(events).toEqual(['flapping', 'bannedRefused']);
      expect(connect(guard, 'b')).toBeNull();
      await clock.advance(299_000);
      expect(connect(guard, 'a')).toBe('banned');
      await clock.advance(2_000);
      expect(connect(guard, 'a')).toBeNull();
    },
  );

  it('is banned by its credential before any look-up, and by its id with another one', async () => {
    const guard = await createGuard();
    lose(guard, 'a', 15);
    expect(guard.admit(present('token-a'))?.reason).toBe('banned');
    expect(guard.admit(present('new token'))).toBeNull();
    expect(connect(guard, 'a', 'new token')).toBe('banned');
  });

  it.each([
    'takenOver',
    'draining',
    'overloaded',
    'revoked',
    'slowReader',
    'clientDisconnected',
    'connectTimeout',
  ] as const)('is not banned for %s', async (reason) => {
    const guard = await createGuard({ deviceConnectsPerMinuteMax: 0 });
    lose(guard, 'a', 100, reason);
    expect(connect(guard, 'a')).toBeNull();
    expect(events).not.toContain('flapping');
  });

  it('is not banned for what comes slowly', async () => {
    const guard = await createGuard();
    for (let time = 0; time < 60; time += 1) {
      lose(guard, 'a', 1);
      await clock.advance(5_000);
    }
    expect(events).toEqual([]);
  });

  it('is not banned by the end of its gateway', async () => {
    const guard = await createGuard();
    guard.stop();
    lose(guard, 'a', 100);
    expect(events).not.toContain('flapping');
  });

  it('is banned at the other gateways too, and free everywhere when that is lifted', async () => {
    const [here, there] = [await createGuard(), await createGuard()];
    lose(there, 'a', 14);
    lose(here, 'a', 15);
    expect(connect(there, 'a')).toBeNull();
    await clock.advance(2 * POLL_MS);
    expect(connect(there, 'a')).toBe('banned');
    await list.lift('device:default:a');
    await clock.advance(2 * POLL_MS);
    expect([connect(here, 'a'), connect(there, 'a')]).toEqual([null, null]);
    // What led to it is forgotten: the next slip is a first one.
    lose(here, 'a', 1);
    lose(there, 'a', 1);
    expect([connect(here, 'a'), connect(there, 'a')]).toEqual([null, null]);
  });
});

describe('two clients with one identity', () => {
  it('are told of, not banned, and held by the rate', async () => {
    const guard = await createGuard();
    const refused: unknown[] = [];
    for (let time = 0; time < 100; time += 1) {
      const reason = connect(guard, 'a');
      if (reason === null) guard.closed(deviceOf('a'), 'takenOver');
      else refused.push(reason);
    }
    expect(new Set(refused)).toEqual(new Set(['connectRateExceeded']));
    expect(refused).toHaveLength(40);
    expect(events.filter((event) => event === 'identityContested')).toHaveLength(4);
    expect(await list.read(null)).toMatchObject({ bans: [] });
  });
});

describe('the rate of CONNECTs', () => {
  it('is one of each device, whatever credential it has', async () => {
    const guard = await createGuard({ deviceConnectsPerMinuteMax: 4 });
    const tries = ['1', '2', '1', '2', '1'].map((token) => connect(guard, 'a', token));
    expect(tries).toEqual([null, null, null, null, 'connectRateExceeded']);
    expect(connect(guard, 'b')).toBeNull();
  });

  it('holds a bad credential before any look-up', async () => {
    const guard = await createGuard({ deviceConnectsPerMinuteMax: 4, authenticationFailuresMax: 0 });
    const tries = Array.from({ length: 6 }, () => guard.admit(present('bad'))?.reason ?? null);
    expect(tries).toEqual([null, null, null, null, 'connectRateExceeded', 'connectRateExceeded']);
  });

  it('of an address is off, unless it is set', async () => {
    const off = await createGuard({ deviceConnectsPerMinuteMax: 0 });
    for (let at = 0; at < 5_000; at += 1) expect(off.admit(present(`t${at}`))).toBeNull();
    const on = await createGuard({ addressConnectsPerMinuteMax: 2 });
    expect([1, 2, 3].map((at) => on.admit(present(`t${at}`))?.reason ?? null)).toEqual([
      null,
      null,
      'connectRateExceeded',
    ]);
    expect(on.admit(present('t', { remoteAddress: '192.0.2.2' }))).toBeNull();
  });
});

describe('guessing', () => {
  function guess(guard: ConnectGuard, presented: Presented): string | null {
    const refusal = guard.admit(presented);
    if (refusal === null) guard.failed(presented);
    return refusal?.reason ?? null;
  }

  it('costs ten look-ups, whatever client ids it uses', async () => {
    const guard = await createGuard();
    const answers = Array.from({ length: 1_000 }, (_, at) =>
      guess(guard, present(`bad-${at}`, { clientId: `c${at}` })),
    );
    expect(answers.filter((answer) => answer === null)).toHaveLength(10);
    expect(new Set(answers.slice(10))).toEqual(new Set(['banned']));
    expect(events.filter((event) => event === 'addressBanned')).toHaveLength(1);
    await clock.advance(301_000);
    expect(guess(guard, present('bad-again'))).toBeNull();
  });

  it('bans the address at every gateway, and nobody else', async () => {
    const [here, there] = [await createGuard(), await createGuard()];
    for (let at = 0; at < 10; at += 1) guess(here, present(`bad-${at}`));
    await clock.advance(2 * POLL_MS);
    expect(there.admit(present('x'))?.reason).toBe('banned');
    expect(there.admit(present('x', { remoteAddress: '192.0.2.9' }))).toBeNull();
  });

  it('is not what one device with a stale token does: its neighbours at that address go on', async () => {
    const guard = await createGuard({ deviceConnectsPerMinuteMax: 0 });
    const answers = Array.from({ length: 100 }, () => guess(guard, present('stale', { clientId: 'broken' })));
    expect(answers.filter((answer) => answer === null)).toHaveLength(10);
    expect(new Set(answers.slice(10))).toEqual(new Set(['connectRateExceeded']));
    expect(connect(guard, 'neighbour')).toBeNull();
    expect(events).not.toContain('addressBanned');
    // Its token is set right: at the latest a minute later it is in.
    await clock.advance(60_000);
    expect(connect(guard, 'broken')).toBeNull();
  });

  it('under the name of a device elsewhere does that device no harm', async () => {
    const guard = await createGuard();
    for (let at = 0; at < 50; at += 1) {
      guess(guard, present(`bad-${at}`, { clientId: 'a', remoteAddress: `198.51.100.${at}` }));
    }
    expect(connect(guard, 'a')).toBeNull();
  });

  it('does not lock out a credential that was good here, until that is refused', async () => {
    const guard = await createGuard();
    expect(connect(guard, 'a')).toBeNull();
    for (let at = 0; at < 20; at += 1) guess(guard, present(`bad-${at}`));
    expect(connect(guard, 'b')).toBe('banned');
    expect(connect(guard, 'a')).toBeNull();
    guard.failed(present('token-a'));
    expect(connect(guard, 'a')).toBe('banned');
  });

  it('is counted of an IPv6 network, and of no address that is not known', async () => {
    const guard = await createGuard();
    for (let at = 0; at < 10; at += 1) guess(guard, present(`bad-${at}`, { remoteAddress: `2001:db8::${at}` }));
    expect(guard.admit(present('x', { remoteAddress: '2001:db8::ffff' }))?.reason).toBe('banned');
    for (let at = 0; at < 50; at += 1) {
      expect(guess(guard, present(`bad-${at}`, { remoteAddress: '', clientId: `c${at}` }))).toBeNull();
    }
  });

  it('is counted off with 0', async () => {
    const guard = await createGuard({ authenticationFailuresMax: 0, deviceConnectsPerMinuteMax: 0 });
    for (let at = 0; at < 100; at += 1) expect(guess(guard, present(`bad-${at}`))).toBeNull();
  });
});

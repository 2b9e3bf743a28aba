import { MemoryDeviceRegistry } from '@breakwater/adapter-memory';
import type { CloseReason, Session } from '@breakwater/mqtt-endpoint';
import { describe, expect, it } from '@jest/globals';
import { deviceKey, type DeviceId, type DeviceKey, type TenantId } from '@breakwater/twin';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import type { DeviceCredential } from './credential.ts';
import { DeviceAuthenticator } from './device-authenticator.ts';
import type { DeviceSession } from '../session/device-session.ts';
import { CredentialRechecks } from './credential-rechecks.ts';
import type { TrustMirror } from './trust-mirror.ts';

const TENANT = 'default' as TenantId;
const SECOND_MS = 1_000;

/** Open sessions of devices with the token `hash-<id>`, on a registry that counts what it is asked and may be away. */
class Sessions {
  readonly clock = new VirtualClock();
  readonly registry = new MemoryDeviceRegistry();
  readonly closed: string[] = [];
  readonly troubles: string[] = [];
  readonly distrusted = new Set<string>();
  lookups = 0;
  away = false;
  readonly #open = new Map<DeviceKey, Session<DeviceSession>>();
  readonly #rechecks: CredentialRechecks;

  constructor(perSecond: number) {
    const { clock, registry } = this;
    const trust = {
      stillTrusts: (_tenant: TenantId, credential: DeviceCredential, nowMs: number) =>
        !('expiresAtMs' in credential) || (credential.expiresAtMs > nowMs && !this.distrusted.has(credential.kind)),
    } as unknown as TrustMirror;
    const deviceOfToken = registry.deviceOfToken.bind(registry);
    registry.deviceOfToken = (tokenHash) => {
      this.lookups += 1;
      return this.away ? Promise.reject(new Error('the connection broke')) : deviceOfToken(tokenHash);
    };
    this.#rechecks = new CredentialRechecks({
      sessions: { keys: () => this.#open.keys(), find: (key) => this.#open.get(key) },
      authenticator: new DeviceAuthenticator({
        ...{ registry, clock, trust, cacheEntriesMax: 10, cacheMs: 0 },
        ...{ jwtAudience: 'breakwater', jwtIssuer: '', jwtLifeMsMax: 1, jwtClockSkewMs: 0, verifiedChainsMax: 1 },
      }),
      trust,
      clock,
      perSecond,
      onTrouble: (detail) => this.troubles.push(detail),
    });
  }

  get rechecks(): CredentialRechecks {
    return this.#rechecks;
  }

  async open(...ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.openBy({ kind: 'token', tokenHash: `hash-${id}` }, id);
  }

  async openBy(credential: DeviceCredential, ...ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const tokenHash = `hash-${id}`;
      const device = await this.registry.createDevice(TENANT, id as DeviceId, tokenHash, 0);
      const key = deviceKey(TENANT, id as DeviceId);
      const close = (reason: CloseReason): void => {
        this.closed.push(`${id} ${reason}`);
        this.#open.delete(key);
      };
      this.#open.set(key, {
        identity: { device, credential },
        close,
      } as unknown as Session<DeviceSession>);
    }
  }

  rotate(id: string): Promise<unknown> {
    return this.registry.rotateToken(TENANT, id as DeviceId, 'another hash');
  }

  start(): void {
    this.#rechecks.start();
  }

  stop(): void {
    this.#rechecks.stop();
  }
}

const idsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `d${index}`);

describe('CredentialRechecks', () => {
  it('closes the session of a device whose token or life ended, without any notice, and no other', async () => {
    const sessions = new Sessions(200);
    await sessions.open('stays', 'rotated', 'deleted', 'reborn');
    sessions.start();
    await sessions.clock.advance(3 * SECOND_MS);
    expect(sessions.closed).toEqual([]);
    await sessions.rotate('rotated');
    await sessions.registry.deleteDevice(TENANT, 'deleted' as DeviceId);
    await sessions.registry.deleteDevice(TENANT, 'reborn' as DeviceId);
    await sessions.registry.createDevice(TENANT, 'reborn' as DeviceId, 'hash-reborn', 1);
    await sessions.clock.advance(SECOND_MS);
    expect(sessions.closed).toEqual(['rotated revoked', 'deleted revoked', 'reborn revoked']);
    sessions.stop();
  });

  it('comes to every session at no more than its pace, and to few sessions no more than once in a second', async () => {
    const many = new Sessions(15);
    await many.open(...idsOf(100));
    await many.rotate('d99');
    many.start();
    await many.clock.advance(5 * SECOND_MS);
    expect(many.lookups).toBeGreaterThan(60);
    expect(many.lookups).toBeLessThanOrEqual(5 * 15 + 1);
    await many.clock.advance(3 * SECOND_MS);
    expect(many.closed).toEqual(['d99 revoked']);
    many.stop();

    const few = new Sessions(200);
    await few.open('d1', 'd2');
    few.start();
    await few.clock.advance(10 * SECOND_MS);
    expect(few.lookups).toBeLessThanOrEqual(2 * 11);
    few.stop();
  });

  it('reaches those that were here all the time while others come and go faster than its pace', async () => {
    const sessions = new Sessions(10);
    await sessions.open(...idsOf(20));
    sessions.start();
    await sessions.clock.advance(SECOND_MS);
    await sessions.rotate('d0');
    for (let round = 0; round < 10; round += 1) {
      await sessions.open(...idsOf(20).map((id) => `${id}-${round}`));
      await sessions.clock.advance(SECOND_MS);
    }
    expect(sessions.closed).toEqual(['d0 revoked']);
    sessions.stop();
  });

  it('closes nobody while the registry cannot be asked, says so once, and goes on when it can', async () => {
    const sessions = new Sessions(200);
    await sessions.open(...idsOf(30));
    await sessions.rotate('d7');
    sessions.away = true;
    sessions.start();
    await sessions.clock.advance(5 * SECOND_MS);
    expect(sessions.lookups).toBeGreaterThan(30);
    expect([sessions.closed, sessions.troubles.length]).toEqual([[], 1]);
    sessions.away = false;
    await sessions.clock.advance(2 * SECOND_MS);
    expect(sessions.closed).toEqual(['d7 revoked']);
    sessions.stop();
  });

  it('asks nothing when it is turned off, and nothing more once it is stopped', async () => {
    const off = new Sessions(0);
    await off.open('d1');
    off.start();
    await off.clock.advance(10 * SECOND_MS);
    expect(off.lookups).toBe(0);

    const stopped = new Sessions(10);
    await stopped.open(...idsOf(50));
    stopped.start();
    await stopped.clock.advance(SECOND_MS);
    stopped.stop();
    await stopped.clock.advance(0);
    const { lookups } = stopped;
    await stopped.clock.advance(10 * SECOND_MS);
    expect(stopped.lookups).toBe(lookups);
  });

  it('closes at once whom a tenant trusts no longer, when its credential ends, and leaves tokens alone', async () => {
    const sessions = new Sessions(0);
    const endsAtMs = sessions.clock.nowMs() + 60 * SECOND_MS;
    const jwt = { kind: 'jwt', kid: 'k', keyHash: 'h', expiresAtMs: endsAtMs } as const;
    const certificate = { kind: 'certificate', caKeyHash: 'c', links: [], expiresAtMs: endsAtMs } as const;
    await sessions.open('token');
    await sessions.openBy(jwt, 'jwt');
    await sessions.openBy(certificate, 'certificate');
    sessions.start();
    await sessions.clock.advance(10 * SECOND_MS);
    sessions.rechecks.trustChanged(new Set([TENANT]));
    expect(sessions.closed).toEqual([]);
    sessions.distrusted.add('certificate');
    sessions.rechecks.trustChanged(new Set(['another' as TenantId]));
    expect(sessions.closed).toEqual([]);
    sessions.rechecks.trustChanged(new Set([TENANT]));
    expect(sessions.closed).toEqual(['certificate revoked']);
    await sessions.clock.advance(49 * SECOND_MS);
    expect(sessions.closed).toHaveLength(1);
    await sessions.clock.advance(2 * SECOND_MS);
    expect(sessions.closed).toEqual(['certificate revoked', 'jwt credentialExpired']);
    sessions.stop();
  });
});

import { MemoryTenantTrustStore } from '@breakwater/adapter-memory';
import { makeCa, makeCertificate, makeCrl, type TestCertificate } from '@breakwater/device-trust/testing';
import type { TenantId } from '@breakwater/twin';
import type { TenantTrustStore } from '@breakwater/twin-runtime';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { TrustMirror } from './trust-mirror.ts';

const ACME = 'acme' as TenantId;
const OTHER = 'other' as TenantId;
const POLL_MS = 1_000;

describe('the mirror of what tenants trust', () => {
  let ca: TestCertificate;
  let store: TenantTrustStore;
  let isAway: boolean;
  let mirror: TrustMirror;
  const clock = new VirtualClock(Date.now());
  const changes: string[] = [];
  const troubles: string[] = [];
  beforeAll(async () => {
    ca = await makeCa('CN=ca');
  });
  afterEach(() => mirror.stop());

  const start = async (): Promise<void> => {
    store = new MemoryTenantTrustStore();
    isAway = false;
    changes.length = 0;
    troubles.length = 0;
    await store.replaceDeviceCa(ACME, { pem: ca.pem, keyHashes: ['ca'] });
    mirror = new TrustMirror({
      store: {
        changedAfter: (cursor, limit) =>
          isAway ? Promise.reject(new Error('the connection broke')) : store.changedAfter(cursor, limit),
      },
      clock,
      pollMs: POLL_MS,
      onChange: (tenants) => changes.push([...tenants].join(' ')),
      onTrouble: (detail) => troubles.push(detail),
    });
    await mirror.start();
  };
  const subject = (): string => Buffer.from(ca.certificate.subjectName.toArrayBuffer()).toString('hex');
  /** Until it has looked at the newest change; reading it takes turns of the event loop that no clock counts. */
  const lookUntil = async (condition: () => boolean): Promise<void> => {
    for (let attempt = 0; attempt < 200 && !condition(); attempt += 1) {
      await clock.advance(POLL_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(condition()).toBe(true);
  };
  const linkOf = ({ certificate }: TestCertificate) => ({
    issuer: subject(),
    serialNumber: certificate.serialNumber.toLowerCase(),
  });

  it('knows everything when it has started, and each change soon after', async () => {
    await start();
    expect(mirror.isLoaded).toBe(true);
    expect(mirror.anchorsNamed(subject())).toMatchObject([{ tenant: ACME }]);
    const leaf = await makeCertificate({ subject: 'CN=d', issuer: ca });
    expect(mirror.isRevoked(ACME, linkOf(leaf))).toBe(false);
    await store.replaceCrl(ACME, await makeCrl(ca, [leaf]));
    await lookUntil(() => mirror.isRevoked(ACME, linkOf(leaf)));
    expect(mirror.isRevoked(OTHER, linkOf(leaf))).toBe(false);
    await store.replaceDeviceCa(ACME, null);
    await lookUntil(() => mirror.anchorsNamed(subject()).length === 0);
    expect(changes).toEqual([ACME, ACME, ACME]);
  });

  it('keeps what it knows while the store is away, says so once, and is not loaded before it knows it', async () => {
    await start();
    isAway = true;
    await clock.advance(5 * POLL_MS);
    expect([mirror.isLoaded, mirror.anchorsNamed(subject()).length, troubles.length]).toEqual([true, 1, 1]);
    mirror.stop();
    mirror = new TrustMirror({
      store: { changedAfter: () => Promise.reject(new Error('away')) },
      ...{ clock, pollMs: POLL_MS, onChange: () => undefined, onTrouble: () => undefined },
    });
    await mirror.start();
    expect(mirror.isLoaded).toBe(false);
  });

  it('reads everything anew when the store is an older one, and looks again at whom it let in', async () => {
    await start();
    for (let change = 0; change < 5; change += 1) await store.replaceJwks(ACME, null);
    await lookUntil(() => changes.length === 2);
    store = new MemoryTenantTrustStore();
    await store.replaceDeviceCa(OTHER, { pem: ca.pem, keyHashes: ['ca'] });
    await lookUntil(() => mirror.anchorsNamed(subject())[0]?.tenant === OTHER);
    expect(changes.at(-1)?.split(' ').sort()).toEqual([ACME, OTHER]);
    expect(mirror.anchorsNamed(subject())).toHaveLength(1);
  });

  it('trusts nobody by what it cannot read, least of all by a CA whose revocation list is unreadable', async () => {
    await start();
    await store.replaceCrl(ACME, '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----');
    await lookUntil(() => mirror.anchorsNamed(subject()).length === 0);
    await store.replaceJwks(ACME, 'no JSON');
    await lookUntil(() => troubles.some((each) => each.includes('JWK Set')));
    expect(troubles[0]).toMatch(/CRL of acme/);
  });

  it('goes by the key behind a `kid`, by revocation, by the CA and by time', async () => {
    await start();
    const caKeyHash = mirror.anchorsNamed(subject())[0]!.ca.publicKeyHash;
    const nowMs = clock.nowMs();
    const links = [{ issuer: subject(), serialNumber: '01' }];
    const good = { kind: 'certificate', caKeyHash, links, expiresAtMs: nowMs + 1 } as const;
    expect(mirror.stillTrusts(ACME, good, nowMs)).toBe(true);
    expect(mirror.stillTrusts(ACME, good, nowMs + 1)).toBe(false);
    expect(mirror.stillTrusts(OTHER, good, nowMs)).toBe(false);
    expect(mirror.stillTrusts(ACME, { ...good, caKeyHash: 'another' }, nowMs)).toBe(false);
    const jwt = { kind: 'jwt', kid: 'k', keyHash: 'h', expiresAtMs: nowMs + 1 } as const;
    expect(mirror.stillTrusts(ACME, jwt, nowMs)).toBe(false);
    expect(mirror.stillTrusts(ACME, { kind: 'token', tokenHash: 'x' }, nowMs)).toBe(true);
  });
});

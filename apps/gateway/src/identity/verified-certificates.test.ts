import { MemoryTenantTrustStore } from '@breakwater/adapter-memory';
import { makeCa, makeCertificate, makeCrl, type TestCertificate } from '@breakwater/device-trust/testing';
import type { TenantId } from '@breakwater/twin';
import { VirtualClock } from '@breakwater/twin-runtime/virtual-time';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { TrustMirror } from './trust-mirror.ts';
import { VerifiedCertificates } from './verified-certificates.ts';

const ACME = 'acme' as TenantId;
const OTHER = 'other' as TenantId;
const POLL_MS = 1_000;
const HOUR_MS = 3_600_000;

const chainOf = (...certificates: readonly TestCertificate[]): readonly Uint8Array[] =>
  certificates.map(({ certificate }) => new Uint8Array(certificate.rawData));

describe('the memory of verified certificates', () => {
  let ca: TestCertificate;
  let otherCa: TestCertificate;
  let leaf: TestCertificate;
  let store: MemoryTenantTrustStore;
  let clock: VirtualClock;
  let trust: TrustMirror;
  let certificates: VerifiedCertificates;
  /** How often a chain was followed up to the CAs, and not remembered. */
  let checks: number;
  let changes: number;
  beforeAll(async () => {
    ca = await makeCa('CN=ca');
    otherCa = await makeCa('CN=ca of another');
    leaf = await makeCertificate({ subject: 'CN=pump-7', issuer: ca });
  });
  beforeEach(async () => {
    store = new MemoryTenantTrustStore();
    clock = new VirtualClock(Date.now());
    checks = 0;
    changes = 0;
    await store.replaceDeviceCa(ACME, { pem: ca.pem, keyHashes: ['ca'] });
    trust = new TrustMirror({
      store: { changedAfter: (cursor, limit) => store.changedAfter(cursor, limit) },
      clock,
      pollMs: POLL_MS,
      onChange: () => (changes += 1),
      onTrouble: () => undefined,
    });
    await trust.start();
    certificates = remembering(3);
  });
  afterEach(() => trust.stop());

  const remembering = (verifiedChainsMax: number): VerifiedCertificates =>
    new VerifiedCertificates({
      trust: {
        anchorsNamed: (subject) => {
          checks += 1;
          return trust.anchorsNamed(subject);
        },
        isRevoked: (tenant, link) => trust.isRevoked(tenant, link),
        get version() {
          return trust.version;
        },
      },
      clock,
      verifiedChainsMax,
    });
  /** Until the mirror has taken what was just changed. */
  const taken = async (): Promise<void> => {
    const before = changes;
    for (let attempt = 0; attempt < 200 && changes === before; attempt += 1) {
      await clock.advance(POLL_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(changes).toBe(before + 1);
  };

  it('checks a chain once, and says the same of it again', () => {
    const first = certificates.verify(chainOf(leaf));
    expect(first).toMatchObject({ kind: 'verified', tenant: ACME, names: ['pump-7'] });
    expect(certificates.verify(chainOf(leaf))).toEqual(first);
    expect(checks).toBe(1);
  });

  it('takes no chain for another: the same leaf with other bytes behind it is checked', async () => {
    const intermediate = await makeCa('CN=factory', ca);
    const below = await makeCertificate({ subject: 'CN=pump-8', issuer: intermediate });
    expect(certificates.verify(chainOf(below, intermediate)).kind).toBe('verified');
    expect(certificates.verify(chainOf(below)).kind).toBe('refused');
    expect(certificates.verify(chainOf(below, otherCa)).kind).toBe('refused');
  });

  it('refuses who is revoked after the first look, and lets go of it only with the list', async () => {
    expect(certificates.verify(chainOf(leaf)).kind).toBe('verified');
    await store.replaceCrl(ACME, await makeCrl(ca, [leaf]));
    await taken();
    expect(certificates.verify(chainOf(leaf))).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    await store.replaceCrl(ACME, null);
    await taken();
    expect(certificates.verify(chainOf(leaf)).kind).toBe('verified');
  });

  it('refuses all of a CA that its tenant took away, and names the tenant that has it now', async () => {
    expect(certificates.verify(chainOf(leaf))).toMatchObject({ tenant: ACME });
    await store.replaceDeviceCa(ACME, { pem: otherCa.pem, keyHashes: ['other'] });
    await taken();
    expect(certificates.verify(chainOf(leaf))).toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
    await store.replaceDeviceCa(OTHER, { pem: ca.pem, keyHashes: ['ca'] });
    await taken();
    expect(certificates.verify(chainOf(leaf))).toMatchObject({ tenant: OTHER });
  });

  it('forgets everything with a store that is an older one', async () => {
    for (let change = 0; change < 3; change += 1) await store.replaceJwks(ACME, null);
    await taken();
    expect(certificates.verify(chainOf(leaf)).kind).toBe('verified');
    store = new MemoryTenantTrustStore();
    await taken();
    expect(certificates.verify(chainOf(leaf)).kind).toBe('refused');
  });

  it('holds no longer than the certificate, and not before the moment of the check', async () => {
    expect(certificates.verify(chainOf(leaf)).kind).toBe('verified');
    await clock.advance(2 * HOUR_MS);
    expect(certificates.verify(chainOf(leaf))).toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
    let nowMs = Date.now();
    const backwards = new VerifiedCertificates({
      trust,
      clock: { nowMs: () => nowMs, sleep: () => Promise.resolve() },
      verifiedChainsMax: 3,
    });
    expect(backwards.verify(chainOf(leaf)).kind).toBe('verified');
    nowMs -= 2 * HOUR_MS;
    expect(backwards.verify(chainOf(leaf))).toMatchObject({ code: 'CERTIFICATE_EXPIRED' });
  });

  it('has a bound, keeps what is used, and never remembers what was refused or is too large', async () => {
    const more = await Promise.all(['CN=a', 'CN=b', 'CN=c'].map((subject) => makeCertificate({ subject, issuer: ca })));
    for (const each of [leaf, ...more.slice(0, 2), leaf, ...more.slice(2)]) certificates.verify(chainOf(each));
    expect([certificates.size, checks]).toEqual([3, 4]);
    certificates.verify(chainOf(leaf));
    expect(checks).toBe(4);
    const stranger = await makeCertificate({ subject: 'CN=x', issuer: otherCa });
    const spare = remembering(3);
    expect(spare.verify(chainOf(stranger)).kind).toBe('refused');
    expect(spare.verify([...chainOf(leaf), new Uint8Array(16_384)]).kind).toBe('refused');
    expect(spare.size).toBe(0);
    const padded = [...chainOf(leaf, otherCa, otherCa), new Uint8Array(16_384)];
    expect([spare.verify(padded).kind, spare.size]).toEqual(['verified', 0]);
  });
});

import type { TenantId } from '@breakwater/twin';
import { beforeAll, describe, expect, it } from '@jest/globals';

import { type DeviceCa, readDeviceCas } from './device-ca.ts';
import { type CertificateVerdict, verifyDeviceCertificate } from './device-certificate.ts';
import { readRevocationLists } from './revocation-list.ts';
import { makeCa, makeCertificate, makeCrl, type TestCertificate } from './testing/index.ts';

const ACME = 'acme' as TenantId;
const OTHER = 'other' as TenantId;
const HOUR_MS = 3_600_000;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const DIGITAL_SIGNATURE = 1;
const KEY_ENCIPHERMENT = 4;

function casOf(...certificates: readonly TestCertificate[]): readonly DeviceCa[] {
  const read = readDeviceCas(certificates.map(({ pem }) => pem).join(''), null);
  if (read.kind === 'refused') throw new Error(read.detail);
  return read.cas;
}

describe('a client certificate', () => {
  let ca: TestCertificate;
  let impostor: TestCertificate;
  beforeAll(async () => {
    ca = await makeCa('CN=devices of acme');
    impostor = await makeCa('CN=devices of acme');
  });

  const verify = (
    chain: readonly TestCertificate[],
    trusted: Readonly<Record<string, readonly DeviceCa[]>> = { [ACME]: casOf(ca) },
    revoked: readonly TestCertificate[] = [],
  ): CertificateVerdict =>
    verifyDeviceCertificate(
      chain.map(({ certificate }) => new Uint8Array(certificate.rawData)),
      {
        nowMs: Date.now(),
        anchorsNamed: (subject) =>
          Object.entries(trusted).flatMap(([tenant, cas]) =>
            cas.filter((each) => each.subject === subject).map((each) => ({ tenant: tenant as TenantId, ca: each })),
          ),
        isRevoked: (_, { serialNumber }) =>
          revoked.some(({ certificate }) => certificate.serialNumber.toLowerCase() === serialNumber),
      },
    );

  it('belongs to the tenant whose CA signed it, and names its device by CN and alternative names', async () => {
    const leaf = await makeCertificate({
      subject: 'CN=pump-7,O=Acme',
      issuer: ca,
      dnsNames: ['pump-7.example'],
      uris: ['urn:dev:7'],
      keyUsages: DIGITAL_SIGNATURE,
      extendedKeyUsages: [CLIENT_AUTH],
    });
    const other = await makeCa('CN=devices of other');
    expect(verify([leaf], { [OTHER]: casOf(other, impostor), [ACME]: casOf(ca) })).toEqual({
      kind: 'verified',
      tenant: ACME,
      caKeyHash: casOf(ca)[0]!.publicKeyHash,
      links: [expect.objectContaining({ serialNumber: leaf.certificate.serialNumber })],
      expiresAtMs: expect.any(Number),
      names: ['pump-7', 'pump-7.example', 'urn:dev:7'],
    });
  });

  it('may stand on an intermediate, within the path length of each CA', async () => {
    const intermediate = await makeCa('CN=factory 1', ca);
    const leaf = await makeCertificate({ subject: 'CN=pump-7', issuer: intermediate });
    expect(verify([leaf, intermediate])).toMatchObject({ kind: 'verified', links: [{}, {}] });
    expect(verify([leaf])).toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
    expect(verify([leaf], { [ACME]: casOf(intermediate) }).kind).toBe('verified');
    expect(verify([leaf, intermediate], undefined, [intermediate])).toMatchObject({ code: 'CERTIFICATE_REVOKED' });
    const flat = await makeCertificate({ subject: 'CN=flat root', isCa: true, pathLength: 0 });
    const below = await makeCa('CN=below', flat);
    const deep = await makeCertificate({ subject: 'CN=pump-7', issuer: below });
    expect(verify([deep, below], { [ACME]: casOf(flat) })).toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
  });

  it('is refused in each of the ways in which it can be wrong', async () => {
    const past = new Date(Date.now() - 1_000);
    const device = { subject: 'CN=pump-7', issuer: ca };
    const leaf = await makeCertificate(device);
    const noIssuer = await makeCertificate({ subject: 'CN=no issuer', issuer: ca });
    const byLeaf = await makeCertificate({ subject: 'CN=pump-7', issuer: noIssuer });
    const expiredCa = await makeCertificate({ subject: 'CN=old', isCa: true, notAfter: past });
    const cases: readonly (readonly [string, CertificateVerdict, string])[] = [
      ['nothing', verify([]), 'CERTIFICATE_INVALID'],
      ['self-signed', verify([await makeCertificate({ subject: 'CN=pump-7' })]), 'CERTIFICATE_UNTRUSTED'],
      ['expired', verify([await makeCertificate({ ...device, notAfter: past })]), 'CERTIFICATE_EXPIRED'],
      [
        'not yet valid',
        verify([await makeCertificate({ ...device, notBefore: new Date(Date.now() + HOUR_MS / 2) })]),
        'CERTIFICATE_EXPIRED',
      ],
      [
        'of an expired CA',
        verify([await makeCertificate({ subject: 'CN=p', issuer: expiredCa })], { [ACME]: casOf(expiredCa) }),
        'CERTIFICATE_EXPIRED',
      ],
      [
        'of a CA that only has the name',
        verify([await makeCertificate({ ...device, issuer: impostor })]),
        'CERTIFICATE_UNTRUSTED',
      ],
      ['signed by another device', verify([byLeaf, noIssuer]), 'CERTIFICATE_UNTRUSTED'],
      ['revoked', verify([leaf], undefined, [leaf]), 'CERTIFICATE_REVOKED'],
      ['of a CA itself', verify([ca]), 'CERTIFICATE_INVALID'],
      [
        'for servers only',
        verify([await makeCertificate({ ...device, extendedKeyUsages: [SERVER_AUTH] })]),
        'CERTIFICATE_INVALID',
      ],
      [
        'for encryption only',
        verify([await makeCertificate({ ...device, keyUsages: KEY_ENCIPHERMENT })]),
        'CERTIFICATE_INVALID',
      ],
    ];
    for (const [name, verdict, code] of cases) expect([name, verdict]).toMatchObject([name, { kind: 'refused', code }]);
    const garbage = { nowMs: Date.now(), anchorsNamed: () => [], isRevoked: () => false };
    expect(verifyDeviceCertificate([new Uint8Array([1, 2, 3])], garbage)).toMatchObject({
      code: 'CERTIFICATE_INVALID',
    });
    expect(verify([leaf]).kind).toBe('verified');
  });

  it('costs little to check', async () => {
    const leaf = await makeCertificate({ subject: 'CN=pump-7', issuer: ca });
    const trusted = { [ACME]: casOf(ca) };
    verify([leaf], trusted);
    const rounds = 200;
    const startedAt = performance.now();
    for (let round = 0; round < rounds; round += 1) verify([leaf], trusted);
    expect((performance.now() - startedAt) / rounds).toBeLessThan(50);
  });
});

describe('the CAs of a tenant', () => {
  it('are refused with a reason', async () => {
    const ca = await makeCa('CN=ca');
    const leaf = await makeCertificate({ subject: 'CN=leaf', issuer: ca });
    const expired = await makeCertificate({ subject: 'CN=old', isCa: true, notAfter: new Date(Date.now() - 1_000) });
    const noSigning = await makeCertificate({ subject: 'CN=x', isCa: true, keyUsages: DIGITAL_SIGNATURE });
    const cases = [
      ['', /no PEM block/],
      ['some text', /no PEM block/],
      [ca.keyPem, /no keys/],
      [`${ca.pem}${ca.keyPem}`, /no keys/],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /certificate 1: /],
      [`${ca.pem}${leaf.pem}`, /certificate 2: it is not the certificate of a CA/],
      [expired.pem, /expired/],
      [noSigning.pem, /keyCertSign/],
      [ca.pem.repeat(11), /10 CA certificates at most/],
    ] as const;
    for (const [pem, detail] of cases) {
      expect(readDeviceCas(pem, Date.now())).toMatchObject({ kind: 'refused', detail: expect.stringMatching(detail) });
    }
    expect(readDeviceCas(`Bag Attributes\n${ca.pem}`, Date.now())).toMatchObject({ kind: 'read' });
  });
});

describe('a revocation list', () => {
  it('is taken from the CA only, and what no CA signed is skipped once it is stored', async () => {
    const ca = await makeCa('CN=ca');
    const impostor = await makeCa('CN=ca');
    const gone = await makeCa('CN=gone');
    const leaf = await makeCertificate({ subject: 'CN=leaf', issuer: ca });
    const pem = await makeCrl(ca, [leaf]);
    const read = await readRevocationLists(pem, casOf(ca), 'refuse');
    expect(read).toMatchObject({ kind: 'read', lists: [{ issuer: casOf(ca)[0]!.subject }] });
    if (read.kind === 'read') {
      expect([...read.lists[0]!.serialNumbers]).toEqual([leaf.certificate.serialNumber.toLowerCase()]);
    }
    const refusals = [
      ['', /no PEM block/],
      [ca.pem, /only blocks BEGIN X509 CRL/],
      [await makeCrl(impostor, [leaf]), /not signed by the tenant's CA/],
      [await makeCrl(gone, []), /none of the tenant's CAs/],
      [pem.repeat(2), /two lists/],
      ['-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----', /list 1: /],
    ] as const;
    for (const [text, detail] of refusals) {
      const refusal = { kind: 'refused', code: 'CRL_INVALID', detail: expect.stringMatching(detail) };
      expect(await readRevocationLists(text, casOf(ca), 'refuse')).toEqual(refusal);
    }
    const stored = `${await makeCrl(gone, [])}${pem}`;
    expect(await readRevocationLists(stored, casOf(ca), 'skip')).toMatchObject({ kind: 'read', lists: [{}] });
  });
});

import 'reflect-metadata';

import { webcrypto } from 'node:crypto';

import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as never);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;

export interface TestCertificate {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
  readonly pem: string;
  readonly keyPem: string;
}

export interface CertificateWish {
  readonly subject: string;
  readonly issuer?: TestCertificate;
  readonly isCa?: boolean;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly dnsNames?: readonly string[];
  readonly uris?: readonly string[];
  readonly serialNumber?: string;
  /** Without it none is written for leaves, and that of a CA for CAs. */
  readonly keyUsages?: x509.KeyUsageFlags;
  readonly extendedKeyUsages?: readonly string[];
  readonly pathLength?: number;
  /** The key of another certificate instead of a new one. */
  readonly keys?: CryptoKeyPair;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

/** A certificate made here: OpenSSL is not on every machine that runs the tests. */
export async function makeCertificate(wish: CertificateWish): Promise<TestCertificate> {
  const keys =
    wish.keys ?? ((await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair);
  const { issuer } = wish;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: wish.serialNumber ?? `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex')}`,
    subject: wish.subject,
    issuer: issuer?.certificate.subject ?? wish.subject,
    notBefore: wish.notBefore ?? new Date(Date.now() - HOUR_MS),
    notAfter: wish.notAfter ?? new Date(Date.now() + HOUR_MS),
    publicKey: keys.publicKey as never,
    signingKey: (issuer?.keys ?? keys).privateKey as never,
    signingAlgorithm: ALGORITHM,
    extensions: extensionsOf(wish),
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate,
    keys,
    pem: `${certificate.toString('pem')}\n`,
    keyPem: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
  };
}

export function makeCa(subject: string, issuer?: TestCertificate): Promise<TestCertificate> {
  return makeCertificate({ subject, isCa: true, ...(issuer === undefined ? {} : { issuer }) });
}

function extensionsOf(wish: CertificateWish): x509.Extension[] {
  const caUsages = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
  const usages = wish.keyUsages ?? (wish.isCa === true ? caUsages : undefined);
  const names = [
    ...(wish.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(wish.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(wish.dnsNames === undefined ? [] : [{ type: 'ip' as const, value: '127.0.0.1' }]),
  ];
  return [
    ...(wish.isCa === undefined ? [] : [new x509.BasicConstraintsExtension(wish.isCa, wish.pathLength, true)]),
    ...(usages === undefined ? [] : [new x509.KeyUsagesExtension(usages, true)]),
    ...(wish.extendedKeyUsages === undefined ? [] : [new x509.ExtendedKeyUsageExtension([...wish.extendedKeyUsages])]),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
  ];
}

/** A revocation list of a CA that names these certificates. */
export async function makeCrl(ca: TestCertificate, revoked: readonly TestCertificate[]): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: ca.certificate.subject,
    thisUpdate: new Date(Date.now() - HOUR_MS),
    nextUpdate: new Date(Date.now() + HOUR_MS),
    entries: revoked.map(({ certificate }) => ({ serialNumber: certificate.serialNumber })),
    signingAlgorithm: ALGORITHM,
    signingKey: ca.keys.privateKey as never,
  });
  // The library would write BEGIN CRL, which no other tool does.
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

import 'reflect-metadata';

import { createHash, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

import { weaknessOf } from './strong-key.ts';

/** What this library looks at in a certificate. Names are compared as the bytes that they are in it, in hex. */
export interface CertificateParts {
  readonly native: X509Certificate;
  readonly subject: string;
  readonly issuer: string;
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  /** Intermediates that may stand below it. */
  readonly pathLengthMax: number;
  readonly mayIssue: boolean;
  readonly mayIdentifyClient: boolean;
  /** The common name, then the alternative names that are DNS names and URIs. */
  readonly names: readonly string[];
  /** SHA-256 of the public key, in hex. */
  readonly publicKeyHash: string;
}

const CLIENT_AUTHENTICATION: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.3.2', '2.5.29.37.0']);
const HASHES: ReadonlySet<string> = new Set(['SHA-256', 'SHA-384', 'SHA-512']);
const EXTENSION = {
  subjectAlternativeName: '2.5.29.17',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
} as const;
/** What is marked as critical must be understood, or the certificate is not to be used (RFC 5280, 4.2). */
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(EXTENSION));

/** @throws Error whose message says what is wrong with it */
export function readCertificate(der: Uint8Array): CertificateParts {
  const native = new X509Certificate(der);
  const parsed = new x509.X509Certificate(native.raw as Uint8Array<ArrayBuffer>);
  const unknown = parsed.extensions.find(({ critical, type }) => critical && !UNDERSTOOD.has(type));
  if (unknown !== undefined) throw new Error(`its critical extension ${unknown.type} is not understood here`);
  const weakness = weaknessOf(native.publicKey);
  if (weakness !== null) throw new Error(weakness);
  assertStrongSignature(parsed.signatureAlgorithm);
  const constraints = parsed.getExtension<x509.BasicConstraintsExtension>(EXTENSION.basicConstraints);
  const usages = parsed.getExtension<x509.KeyUsagesExtension>(EXTENSION.keyUsage)?.usages;
  const purposes = parsed.getExtension<x509.ExtendedKeyUsageExtension>(EXTENSION.extendedKeyUsage)?.usages;
  return {
    native,
    subject: hexOf(parsed.subjectName),
    issuer: hexOf(parsed.issuerName),
    serialNumber: parsed.serialNumber.toLowerCase(),
    notBeforeMs: parsed.notBefore.getTime(),
    notAfterMs: parsed.notAfter.getTime(),
    isCa: constraints?.ca === true,
    pathLengthMax: constraints?.pathLength ?? Number.POSITIVE_INFINITY,
    mayIssue: usages === undefined || (usages & x509.KeyUsageFlags.keyCertSign) !== 0,
    mayIdentifyClient:
      (usages === undefined || (usages & x509.KeyUsageFlags.digitalSignature) !== 0) &&
      (purposes === undefined || purposes.some((purpose) => CLIENT_AUTHENTICATION.has(String(purpose)))),
    names: namesOf(parsed),
    publicKeyHash: createHash('sha256')
      .update(native.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
  };
}

/** Ed25519 brings its own hash; with the others SHA-1 and MD5 can be forged. */
export function assertStrongSignature(algorithm: object): void {
  const { name = '', hash } = algorithm as { readonly name?: string; readonly hash?: { readonly name: string } };
  if (/^Ed(25519|DSA)/i.test(name)) return;
  if (!HASHES.has(hash?.name ?? '')) {
    throw new Error(`it is signed with ${hash?.name ?? 'an unknown hash'}; SHA-256 or better is needed`);
  }
}

export function hexOf(name: x509.Name): string {
  return Buffer.from(name.toArrayBuffer()).toString('hex');
}

function namesOf(parsed: x509.X509Certificate): readonly string[] {
  const alternative = parsed.getExtension<x509.SubjectAlternativeNameExtension>(EXTENSION.subjectAlternativeName);
  const others = alternative?.names.items.filter(({ type }) => type === 'dns' || type === 'url') ?? [];
  return [...new Set([...parsed.subjectName.getField('CN'), ...others.map(({ value }) => value)])];
}

import 'reflect-metadata';

import * as x509 from '@peculiar/x509';

import { assertStrongSignature, hexOf } from './certificate-parts.ts';
import { DEVICE_CAS_MAX, type DeviceCa } from './device-ca.ts';
import { pemBlocks } from './pem-blocks.ts';
import { refused, type TrustRefusal } from './trust-refusal.ts';

/** Which certificates of one CA are good no longer. */
export interface RevocationList {
  /** The CA's name, as in the certificates that it issued. */
  readonly issuer: string;
  readonly issuerText: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | null;
  readonly serialNumbers: ReadonlySet<string>;
}

type ReadLists = TrustRefusal | { readonly kind: 'read'; readonly lists: readonly RevocationList[] };

const DELTA_CRL_INDICATOR = '2.5.29.27';
const ISSUING_DISTRIBUTION_POINT = '2.5.29.28';
const CERTIFICATE_ISSUER = '2.5.29.29';

/**
 * Reads a tenant's revocation lists, each signed by one of its CAs. A list past its next update is taken too: what it
 * revokes stays revoked, and refusing it would bring those devices back.
 *
 * `foreign` says what becomes of a list that none of the CAs signed. When it comes in it is refused; once it is stored,
 * its CA was taken away since, and with it went whomever it could revoke.
 */
export async function readRevocationLists(
  pem: string,
  cas: readonly DeviceCa[],
  foreign: 'refuse' | 'skip',
): Promise<ReadLists> {
  const blocks = pemBlocks(pem, 'X509 CRL');
  if (blocks === null) return refused('CRL_INVALID', 'only blocks BEGIN X509 CRL may be in it');
  if (blocks.length === 0) return refused('CRL_INVALID', 'there is no PEM block BEGIN X509 CRL in it');
  if (blocks.length > DEVICE_CAS_MAX) return refused('CRL_INVALID', `there are at most ${DEVICE_CAS_MAX} lists`);
  const lists: RevocationList[] = [];
  for (const [index, der] of blocks.entries()) {
    const list = await readList(der, cas);
    if (list instanceof NotSigned) {
      if (foreign === 'skip') continue;
      return refused('CRL_INVALID', `list ${index + 1}: ${list.detail}`);
    }
    if (typeof list === 'string') return refused('CRL_INVALID', `list ${index + 1}: ${list}`);
    if (lists.some(({ issuer }) => issuer === list.issuer)) {
      return refused('CRL_INVALID', `list ${index + 1}: there are two lists of ${list.issuerText}`);
    }
    lists.push(list);
  }
  return { kind: 'read', lists };
}

class NotSigned {
  readonly detail: string;

  constructor(detail: string) {
    this.detail = detail;
  }
}

async function readList(der: Buffer, cas: readonly DeviceCa[]): Promise<RevocationList | NotSigned | string> {
  try {
    const crl = new x509.X509Crl(der as Uint8Array<ArrayBuffer>);
    const issuer = hexOf(crl.issuerName);
    const candidates = cas.filter(({ subject }) => subject === issuer);
    if (candidates.length === 0) return new NotSigned(`none of the tenant's CAs is its issuer ${crl.issuer}`);
    assertStrongSignature(crl.signatureAlgorithm);
    const indirect = crl.extensions.some(
      ({ type }) => type === DELTA_CRL_INDICATOR || type === ISSUING_DISTRIBUTION_POINT,
    );
    if (indirect) return 'only complete lists are taken, no delta lists and none for a distribution point';
    if (!(await isSignedByOneOf(crl, candidates))) {
      return new NotSigned(`it is not signed by the tenant's CA ${crl.issuer}`);
    }
    const { entries } = crl;
    if (entries.some(({ extensions }) => extensions.some(({ type }) => type === CERTIFICATE_ISSUER))) {
      return 'it names certificates of other issuers';
    }
    return {
      issuer,
      issuerText: crl.issuer,
      thisUpdateMs: crl.thisUpdate.getTime(),
      nextUpdateMs: crl.nextUpdate?.getTime() ?? null,
      serialNumbers: new Set(entries.map(({ serialNumber }) => serialNumber.toLowerCase())),
    };
  } catch (error) {
    return error instanceof Error ? error.message : 'it cannot be read';
  }
}

async function isSignedByOneOf(crl: x509.X509Crl, candidates: readonly DeviceCa[]): Promise<boolean> {
  for (const { native } of candidates) {
    const publicKey = new x509.X509Certificate(native.raw as Uint8Array<ArrayBuffer>).publicKey;
    if (await crl.verify({ publicKey }).catch(() => false)) return true;
  }
  return false;
}

import type { TenantId } from '@breakwater/twin';

import { type CertificateParts, readCertificate } from './certificate-parts.ts';
import type { DeviceCa } from './device-ca.ts';
import { refused, type TrustRefusal } from './trust-refusal.ts';

export interface TrustAnchor {
  readonly tenant: TenantId;
  readonly ca: DeviceCa;
}

/** One certificate of a chain, as revocation lists name it. */
export interface ChainLink {
  readonly issuer: string;
  readonly serialNumber: string;
}

export interface CertificateRules {
  readonly nowMs: number;
  /** The CAs of all tenants that have this name. */
  readonly anchorsNamed: (subject: string) => readonly TrustAnchor[];
  readonly isRevoked: (tenant: TenantId, link: ChainLink) => boolean;
}

export type CertificateVerdict =
  | TrustRefusal
  | {
      readonly kind: 'verified';
      readonly tenant: TenantId;
      /** The CA whose key everything stands on. */
      readonly caKeyHash: string;
      /** The device's certificate first. */
      readonly links: readonly ChainLink[];
      /** When the first certificate of the chain ends, the CA's included. */
      readonly expiresAtMs: number;
      readonly names: readonly string[];
    };

/** The device's own certificate and up to two intermediates below a CA of the tenant. */
const CHAIN_LENGTH_MAX = 3;
/** CAs of different tenants may have one name; their keys never are the same. */
const SAME_NAME_MAX = 64;

/**
 * Checks what a device showed in its TLS handshake, its own certificate first. TLS has proved that it holds the private
 * key; whose device it is says the chain, up to a CA of exactly one tenant.
 */
export function verifyDeviceCertificate(chain: readonly Uint8Array[], rules: CertificateRules): CertificateVerdict {
  let certificates: readonly CertificateParts[];
  try {
    certificates = chain.slice(0, CHAIN_LENGTH_MAX).map(readCertificate);
  } catch (error) {
    return invalid(error instanceof Error ? error.message : 'it cannot be read');
  }
  const [leaf] = certificates;
  if (leaf === undefined) return invalid('there is none');
  if (leaf.isCa) return invalid('the certificate of a CA is no device');
  if (!leaf.mayIdentifyClient) return invalid('its key usage does not allow to identify a client');
  const links: ChainLink[] = [];
  let expiresAtMs = Number.POSITIVE_INFINITY;
  for (const [index, certificate] of certificates.entries()) {
    const outside = outsideValidity(certificate, rules.nowMs);
    if (outside !== null) return outside;
    links.push({ issuer: certificate.issuer, serialNumber: certificate.serialNumber });
    expiresAtMs = Math.min(expiresAtMs, certificate.notAfterMs);
    const anchor = anchorOf(certificate, index, rules);
    if (anchor !== null) {
      const outsideAnchor = outsideValidity(anchor.ca, rules.nowMs);
      if (outsideAnchor !== null) return outsideAnchor;
      if (links.some((link) => rules.isRevoked(anchor.tenant, link))) {
        return refused('CERTIFICATE_REVOKED', 'the certificate, or one that it stands on, is revoked');
      }
      const { publicKeyHash: caKeyHash, notAfterMs } = anchor.ca;
      const end = Math.min(expiresAtMs, notAfterMs);
      return { kind: 'verified', tenant: anchor.tenant, caKeyHash, links, expiresAtMs: end, names: leaf.names };
    }
    const next = certificates[index + 1];
    // A chain that is broken, or ends, before it reaches a CA that a tenant named.
    if (next === undefined || !mayHaveIssued(next, certificate, index)) break;
  }
  return refused('CERTIFICATE_UNTRUSTED', 'no CA of a tenant stands behind the certificate');
}

/** The CA that signed this certificate. `below`: how many intermediates stand between it and the device. */
function anchorOf(certificate: CertificateParts, below: number, rules: CertificateRules): TrustAnchor | null {
  const candidates = rules.anchorsNamed(certificate.issuer).slice(0, SAME_NAME_MAX);
  return candidates.find(({ ca }) => mayHaveIssued(ca, certificate, below)) ?? null;
}

function mayHaveIssued(issuer: CertificateParts, issued: CertificateParts, below: number): boolean {
  return (
    issuer.isCa &&
    issuer.mayIssue &&
    issuer.pathLengthMax >= below &&
    issuer.subject === issued.issuer &&
    issued.native.checkIssued(issuer.native) &&
    issued.native.verify(issuer.native.publicKey)
  );
}

function outsideValidity({ notBeforeMs, notAfterMs }: CertificateParts, nowMs: number): TrustRefusal | null {
  if (nowMs < notBeforeMs) return refused('CERTIFICATE_EXPIRED', 'the certificate, or its CA, is not valid yet');
  if (nowMs >= notAfterMs) return refused('CERTIFICATE_EXPIRED', 'the certificate, or its CA, has expired');
  return null;
}

function invalid(detail: string): TrustRefusal {
  return refused('CERTIFICATE_INVALID', detail);
}

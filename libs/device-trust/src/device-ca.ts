import { type CertificateParts, readCertificate } from './certificate-parts.ts';
import { pemBlocks } from './pem-blocks.ts';
import { refused, type TrustRefusal } from './trust-refusal.ts';

/** Enough for two CAs in rotation with their intermediates. */
export const DEVICE_CAS_MAX = 10;

/** A CA whose certificates are devices of one tenant. It may be an intermediate: what is above it is not needed. */
export type DeviceCa = CertificateParts;

/** Reads the certificates of a tenant's CAs. Expired ones are refused where `nowMs` is given. */
export function readDeviceCas(
  pem: string,
  nowMs: number | null,
): TrustRefusal | { readonly kind: 'read'; readonly cas: readonly DeviceCa[] } {
  const blocks = pemBlocks(pem, 'CERTIFICATE');
  if (blocks === null) return refused('CERTIFICATE_INVALID', 'only blocks BEGIN CERTIFICATE may be in it, no keys');
  if (blocks.length === 0) return refused('CERTIFICATE_INVALID', 'there is no PEM block BEGIN CERTIFICATE in it');
  if (blocks.length > DEVICE_CAS_MAX) {
    return refused('CERTIFICATE_INVALID', `a tenant has ${DEVICE_CAS_MAX} CA certificates at most`);
  }
  const cas: DeviceCa[] = [];
  for (const [index, der] of blocks.entries()) {
    const ca = readCa(der, nowMs);
    if (typeof ca === 'string') return refused('CERTIFICATE_INVALID', `certificate ${index + 1}: ${ca}`);
    cas.push(ca);
  }
  return { kind: 'read', cas };
}

function readCa(der: Buffer, nowMs: number | null): DeviceCa | string {
  let ca: CertificateParts;
  try {
    ca = readCertificate(der);
  } catch (error) {
    return error instanceof Error ? error.message : 'it cannot be read';
  }
  if (!ca.isCa) return 'it is not the certificate of a CA (basicConstraints CA:TRUE)';
  if (!ca.mayIssue) return 'its key usage does not allow to sign certificates (keyCertSign)';
  if (nowMs !== null && ca.notAfterMs <= nowMs) return 'it has expired';
  return ca;
}

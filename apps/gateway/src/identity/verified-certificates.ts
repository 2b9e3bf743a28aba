import { createHash } from 'node:crypto';

import { type CertificateVerdict, verifyDeviceCertificate } from '@breakwater/device-trust';
import type { Clock } from '@breakwater/twin-runtime';

import { RecencyMap } from '../protection/recency-map.ts';
import type { TrustMirror } from './trust-mirror.ts';

export interface VerifiedCertificatesOptions {
  readonly trust: Pick<TrustMirror, 'anchorsNamed' | 'isRevoked' | 'version'>;
  readonly clock: Clock;
  /** How many chains are remembered. */
  readonly verifiedChainsMax: number;
}

interface Remembered {
  readonly verdict: Extract<CertificateVerdict, { kind: 'verified' }>;
  readonly verifiedAtMs: number;
}

/** A chain is a few kilobytes; what is larger is checked each time, so that it cannot fill the memory. */
const CHAIN_BYTES_MAX = 16_384;

/**
 * Checks certificate chains, and remembers the good ones: a storm of reconnects shows the same chains again, and each
 * check costs as much CPU as five whole connects. What was found holds for the very bytes that were checked, for
 * exactly what all tenants trusted then, and between that moment and the end of the chain. So a change of any CA or
 * revocation list forgets everything, and a clock that went back does not make a certificate older than it was found to
 * be. What was refused is never remembered: strangers can make as many bad chains as they like.
 */
export class VerifiedCertificates {
  readonly #options: VerifiedCertificatesOptions;
  #good: RecencyMap<Remembered>;
  #trustVersion: number;

  constructor(options: VerifiedCertificatesOptions) {
    this.#options = options;
    this.#good = new RecencyMap(options.verifiedChainsMax);
    this.#trustVersion = options.trust.version;
  }

  get size(): number {
    return this.#good.size;
  }

  verify(chain: readonly Uint8Array[]): CertificateVerdict {
    const { trust, clock, verifiedChainsMax } = this.#options;
    if (this.#trustVersion !== trust.version) {
      this.#good = new RecencyMap(verifiedChainsMax);
      this.#trustVersion = trust.version;
    }
    const nowMs = clock.nowMs();
    const fingerprint = fingerprintOf(chain);
    const known = this.#good.get(fingerprint);
    if (known !== undefined && known.verifiedAtMs <= nowMs && nowMs < known.verdict.expiresAtMs) return known.verdict;
    const verdict = verifyDeviceCertificate(chain, {
      nowMs,
      anchorsNamed: (subject) => trust.anchorsNamed(subject),
      isRevoked: (tenant, link) => trust.isRevoked(tenant, link),
    });
    if (verdict.kind === 'verified' && bytesOf(chain) <= CHAIN_BYTES_MAX) {
      this.#good.set(fingerprint, { verdict, verifiedAtMs: nowMs });
    } else {
      this.#good.delete(fingerprint);
    }
    return verdict;
  }
}

/** Of each certificate by itself, so that bytes cannot move from one to the next. */
function fingerprintOf(chain: readonly Uint8Array[]): string {
  return chain.map((der) => createHash('sha256').update(der).digest('base64')).join(' ');
}

function bytesOf(chain: readonly Uint8Array[]): number {
  return chain.reduce((sum, der) => sum + der.byteLength, 0);
}

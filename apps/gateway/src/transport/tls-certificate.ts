import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

import type { Logger } from '@breakwater/observability';
import { PlatformError } from '@breakwater/twin-runtime';

/** Forward secrecy and authenticated encryption only; each is in mbedTLS, BearSSL and wolfSSL. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export interface TlsCertificateOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** How often the files are looked at. */
  readonly reloadMs: number;
  readonly nowMs: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly onReload: (result: 'taken' | 'refused') => void;
}

interface Loaded {
  readonly digest: string;
  readonly options: SecureContextOptions;
  readonly notAfterMs: number;
}

/**
 * The gateway's own certificate, read again whenever its files change. What is bad never replaces what is good:
 * the files are looked at by content, because certificate tools replace them in many ways (rename, symbolic link, in
 * place and in two steps), and between two steps key and certificate do not belong together.
 */
export class TlsCertificate {
  readonly #options: TlsCertificateOptions;
  readonly #listeners = new Set<(options: SecureContextOptions) => void>();
  #loaded: Loaded;
  /** Of the files that were refused last, so that they are spoken of once. */
  #refusedDigest = '';
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;

  private constructor(options: TlsCertificateOptions, loaded: Loaded) {
    this.#options = options;
    this.#loaded = loaded;
  }

  /** @throws PlatformError `TLS_CERTIFICATE_UNUSABLE` */
  static async load(options: TlsCertificateOptions): Promise<TlsCertificate> {
    try {
      const loaded = readPair(await readFiles(options));
      const certificate = new TlsCertificate(options, loaded);
      if (loaded.notAfterMs < options.nowMs()) {
        options.logger.warn({ certFile: options.certFile }, 'the TLS certificate has expired, devices will refuse it');
      }
      return certificate;
    } catch (error) {
      throw new PlatformError(
        'TLS_CERTIFICATE_UNUSABLE',
        `the TLS certificate ${options.certFile} with the key ${options.keyFile} cannot be used: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /** For `tls.createServer` and `setSecureContext`. */
  get secureContextOptions(): SecureContextOptions {
    return this.#loaded.options;
  }

  get notAfterMs(): number {
    return this.#loaded.notAfterMs;
  }

  onChange(listener: (options: SecureContextOptions) => void): void {
    this.#listeners.add(listener);
  }

  watch(): void {
    this.#timer = setInterval(() => void this.reload(), this.#options.reloadMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#listeners.clear();
  }

  /** Never rejects. Settles when the files that are there now were looked at. */
  async reload(): Promise<void> {
    // One look at a time, and one more behind it: the running one may have read the files before they changed.
    await this.#looking;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { certFile, logger, onReload, nowMs } = this.#options;
    let digest = 'unreadable';
    try {
      const files = await readFiles(this.#options);
      digest = digestOf(files);
      if (digest === this.#loaded.digest) {
        this.#refusedDigest = '';
        return;
      }
      if (digest === this.#refusedDigest) return;
      const loaded = readPair(files);
      const expired = loaded.notAfterMs < nowMs() && this.#loaded.notAfterMs > loaded.notAfterMs;
      if (expired) throw new Error('it has expired already');
      this.#loaded = loaded;
      this.#refusedDigest = '';
      for (const listener of this.#listeners) listener(loaded.options);
      logger.info({ certFile, notAfter: new Date(loaded.notAfterMs).toISOString() }, 'a new TLS certificate is used');
      onReload('taken');
    } catch (error) {
      if (digest === this.#refusedDigest) return;
      this.#refusedDigest = digest;
      logger.warn(
        { certFile, code: 'TLS_CERTIFICATE_UNUSABLE', detail: messageOf(error) },
        'the new TLS certificate cannot be used, the one before stays',
      );
      onReload('refused');
    }
  }
}

interface PemFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

async function readFiles({ certFile, keyFile }: TlsCertificateOptions): Promise<PemFiles> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  return { cert, key };
}

/** @throws Error when key and certificate do not belong together, or either cannot be read. */
function readPair({ cert, key }: PemFiles): Loaded {
  const options: SecureContextOptions = {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    // A resumed session would bring the client's certificate without the intermediates that it was checked with, and
    // a ticket would outlive what it was given for. A full handshake with an elliptic curve is cheap.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
  createSecureContext(options);
  return { digest: digestOf({ cert, key }), options, notAfterMs: new X509Certificate(cert).validToDate.getTime() };
}

function digestOf({ cert, key }: PemFiles): string {
  return createHash('sha256').update(`${cert.length}:`).update(cert).update(key).digest('hex');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

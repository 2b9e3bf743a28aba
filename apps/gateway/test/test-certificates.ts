import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type CertificateWish, makeCertificate, type TestCertificate } from '@breakwater/device-trust/testing';

/** A certificate for the gateway itself, for 127.0.0.1 and localhost. */
export function makeServerCertificate(
  issuer: TestCertificate,
  wish: Partial<CertificateWish> = {},
): Promise<TestCertificate> {
  return makeCertificate({ subject: 'CN=gateway', issuer, dnsNames: ['localhost'], ...wish });
}

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  write(certificate: TestCertificate): Promise<void>;
  remove(): Promise<void>;
}

export async function makeCertificateFiles(certificate: TestCertificate): Promise<CertificateFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'breakwater-tls-'));
  const certFile = join(folder, 'tls.crt');
  const keyFile = join(folder, 'tls.key');
  const files: CertificateFiles = {
    certFile,
    keyFile,
    write: async ({ pem, keyPem }) => {
      await writeFile(certFile, pem);
      await writeFile(keyFile, keyPem);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  await files.write(certificate);
  return files;
}

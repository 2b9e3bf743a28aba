import { hash } from 'node:crypto';

import type { Credentials } from '@breakwater/mqtt-endpoint';

import { addressKey } from './address-key.ts';

/** What a CONNECT shows of whoever sent it, before anything was looked up. */
export interface Presented {
  readonly clientId: string;
  readonly remoteAddress: string;
  /** What is counted and banned of the address; empty when there is none. */
  readonly address: string;
  /** Digest of the credential that decides: a client certificate before anything in the CONNECT; null without any. */
  readonly credential: string | null;
  /**
   * Client id and user name, as far as there are any, each at this address: whoever fails under the name of another
   * keeps him from nothing. Worked out only when it is asked for: a credential that was good before needs none.
   */
  readonly names: () => readonly string[];
}

/** Half a SHA-256 is enough to tell credentials apart, and half the memory. */
const DIGEST_BYTES = 16;

export function presentedOf(credentials: Credentials): Presented {
  const { clientId, username, password, remoteAddress, certificateChain } = credentials;
  const address = addressKey(remoteAddress);
  const inConnect = password !== null && password.length > 0 ? password : username;
  const secret = certificateChain[0] ?? inConnect;
  return {
    clientId,
    remoteAddress,
    address,
    credential: secret === null || secret === '' ? null : digestOf(secret),
    names: () => {
      const ofClient = `client:${digestOf(clientId)}@${address}`;
      return username === null || username === '' ? [ofClient] : [ofClient, `user:${digestOf(username)}@${address}`];
    },
  };
}

/** Nothing of what strangers send is kept as it is: neither its length nor, for a token, its secret. */
function digestOf(secret: string | Uint8Array): string {
  // A part of a text would keep all of it in memory.
  return hash('sha256', secret, 'buffer').toString('hex', 0, DIGEST_BYTES);
}

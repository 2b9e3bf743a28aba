/** Who is at the other end of an accepted stream, as the transport knows it. */
export interface Peer {
  /** The client's own address: behind a proxy the one that the PROXY header names. */
  readonly remoteAddress: string;
  /** What the client showed in the TLS handshake, as DER, its own certificate first; empty without one. */
  readonly certificateChain: readonly Uint8Array[];
}

/** Why a connection ended before MQTT was spoken on it. A label of a metric, so the list is closed. */
export type TransportRefusal = 'proxyHeader' | 'tlsHandshake' | 'handshakeTimeout' | 'handshakesMax';

import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';

import { listen, type Listener, type ListenOptions } from './listener.ts';
import type { Peer, TransportRefusal } from './peer.ts';
import { readProxyHeader } from './proxy-header-reader.ts';
import type { TlsCertificate } from './tls-certificate.ts';

const TCP_KEEPALIVE_MS = 60_000;
/** Own certificate and intermediates; longer chains are cut off here and then lead to nobody. */
const CHAIN_LENGTH_MAX = 4;

export interface StreamListenOptions extends ListenOptions {
  /** The client's address comes in a PROXY header, and a connection without one is closed. */
  readonly proxyProtocol: boolean;
  /** Null: the stream is not encrypted. */
  readonly certificate: TlsCertificate | null;
  /** From the accepted socket to the end of header and TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** Connections that are there at once; those beyond are closed unanswered. */
  readonly handshakesMax: number;
  readonly onRefused: (refusal: TransportRefusal, context: { remoteAddress: string; detail: string }) => void;
}

export type OnStream = (stream: Socket, peer: Peer) => void;

interface Handshake {
  readonly socket: Socket;
  readonly ended: (refusal?: TransportRefusal, detail?: string) => void;
  remoteAddress: string;
}

/**
 * Accepts sockets and brings each through what stands in front of MQTT: the PROXY header, then TLS, both inside one
 * time limit. What comes out is a plain stream of bytes and who is at its other end.
 */
export async function listenStreams(options: StreamListenOptions, onStream: OnStream): Promise<Listener> {
  const handshakes = new Handshakes(options, onStream);
  // Small answers leave at once; the engine joins those of one flush into one write by itself.
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => handshakes.begin(socket));
  const port = await listen(server, options);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        handshakes.destroyAll();
        server.close(() => resolve());
      }),
  };
}

class Handshakes {
  readonly #options: StreamListenOptions;
  readonly #onStream: OnStream;
  readonly #underWay = new Map<string, Handshake>();
  readonly #tls: TlsServer | null;

  constructor(options: StreamListenOptions, onStream: OnStream) {
    this.#options = options;
    this.#onStream = onStream;
    this.#tls = options.certificate === null ? null : this.#createTls(options.certificate);
  }

  begin(socket: Socket): void {
    // A client without a keepalive of its own may be gone without a word: the system finds out.
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    // What went wrong shows as the end of the connection; without a listener the process would end with it.
    socket.on('error', () => undefined);
    const { proxyProtocol, handshakesMax, onRefused } = this.#options;
    const remoteAddress = socket.remoteAddress ?? '';
    if (!proxyProtocol && this.#tls === null) {
      this.#onStream(socket, { remoteAddress, certificateChain: [] });
      return;
    }
    if (this.#underWay.size >= handshakesMax) {
      onRefused('handshakesMax', { remoteAddress, detail: 'too many handshakes are under way' });
      socket.destroy();
      return;
    }
    const handshake = this.#track(socket, remoteAddress);
    if (proxyProtocol) this.#readHeader(handshake);
    else this.#encrypt(handshake);
  }

  destroyAll(): void {
    for (const { socket } of this.#underWay.values()) socket.destroy();
  }

  /** One entry until the stream is handed on or the socket is gone, with one time limit for all of it. */
  #track(socket: Socket, remoteAddress: string): Handshake {
    const key = keyOf(socket);
    const { handshakeTimeoutMs, onRefused } = this.#options;
    const ended: Handshake['ended'] = (refusal, detail = '') => {
      if (this.#underWay.get(key) !== handshake) return;
      this.#underWay.delete(key);
      clearTimeout(timer);
      if (refusal === undefined) return;
      onRefused(refusal, { remoteAddress: handshake.remoteAddress, detail });
      socket.destroy();
    };
    const timer = setTimeout(() => ended('handshakeTimeout', 'the handshake took too long'), handshakeTimeoutMs);
    const handshake: Handshake = { socket, ended, remoteAddress };
    this.#underWay.set(key, handshake);
    socket.once('close', () => ended());
    return handshake;
  }

  #readHeader(handshake: Handshake): void {
    const { socket } = handshake;
    readProxyHeader(socket, (body) => {
      if (body.kind === 'refused') {
        handshake.ended('proxyHeader', body.detail);
        return;
      }
      handshake.remoteAddress = body.remoteAddress ?? handshake.remoteAddress;
      if (this.#tls !== null) {
        this.#encrypt(handshake);
        return;
      }
      handshake.ended();
      this.#onStream(socket, { remoteAddress: handshake.remoteAddress, certificateChain: [] });
      // Reading by event has left the stream paused; whoever listens now is to get what comes.
      socket.resume();
    });
  }

  #encrypt({ socket }: Handshake): void {
    this.#tls!.emit('connection', socket);
  }

  /** Never listens itself: it is handed sockets whose PROXY header, if there is one, was taken off. */
  #createTls(certificate: TlsCertificate): TlsServer {
    const server = createTlsServer({
      ...certificate.secureContextOptions,
      // Asked of everyone and needed of nobody: a device may also show a token. Which CA is good is the tenant's word.
      requestCert: true,
      rejectUnauthorized: false,
    });
    certificate.onChange((options) => server.setSecureContext(options));
    server.on('secureConnection', (stream) => this.#secured(stream));
    server.on('tlsClientError', (error: Error & { code?: string }, stream) => {
      this.#underWay.get(keyOf(stream))?.ended('tlsHandshake', error.code ?? error.message);
      stream.destroy();
    });
    return server;
  }

  #secured(stream: TLSSocket): void {
    stream.on('error', () => undefined);
    const handshake = this.#underWay.get(keyOf(stream));
    // Its time was over in the same turn.
    if (handshake === undefined) {
      stream.destroy();
      return;
    }
    handshake.ended();
    this.#onStream(stream, { remoteAddress: handshake.remoteAddress, certificateChain: chainOf(stream) });
  }
}

/** A TLS socket does not say which socket it was made from, but both name the same connection. */
function keyOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}`;
}

function chainOf(stream: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let at = stream.getPeerX509Certificate(); at !== undefined; at = at.issuerCertificate) {
    if (chain.length === CHAIN_LENGTH_MAX) break;
    chain.push(at.raw);
  }
  return chain;
}

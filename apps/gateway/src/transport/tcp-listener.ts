import type { Socket } from 'node:net';

import type { Transport } from '@breakwater/mqtt-endpoint';

import { DirectSocket } from './direct-socket.ts';
import { type Accept, END_GRACE_MS, type Listener } from './listener.ts';
import type { Peer } from './peer.ts';
import { listenStreams, type StreamListenOptions } from './stream-listener.ts';

/** MQTT over TCP or, with a certificate, over TLS. */
export function listenTcp(options: StreamListenOptions, accept: Accept): Promise<Listener> {
  return listenStreams(options, (stream, peer) => connect(stream, peer, accept));
}

function connect(stream: Socket, peer: Peer, accept: Accept): void {
  const transport = new StreamTransport(stream, peer);
  const input = accept(transport);
  const receive = (bytes: Buffer): void => input.receive(bytes);
  transport.direct = DirectSocket.of(stream, receive);
  // Of a stream that was read before, this brings what is left in it, and then no more.
  stream.on('data', receive);
  stream.on('drain', () => input.drained());
  stream.on('close', () => {
    transport.closed();
    input.transportClosed();
  });
}

class StreamTransport implements Transport {
  readonly remoteAddress: string;
  readonly certificateChain: readonly Uint8Array[];
  /** Null where everything goes through the stream. */
  direct: DirectSocket | null = null;
  readonly #stream: Socket;
  #grace: NodeJS.Timeout | null = null;

  constructor(stream: Socket, peer: Peer) {
    this.#stream = stream;
    this.remoteAddress = peer.remoteAddress;
    this.certificateChain = peer.certificateChain;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#stream.writable) return true;
    const rest = this.direct === null ? bytes : this.direct.write(bytes);
    return rest === null || this.#stream.write(rest);
  }

  bytesQueued(): number {
    return this.#stream.writableLength;
  }

  pause(): void {
    if (this.direct === null) this.#stream.pause();
    else this.direct.pause();
  }

  resume(): void {
    if (this.direct === null) this.#stream.resume();
    else this.direct.resume();
  }

  end(): void {
    this.#stream.end();
    this.#grace ??= setTimeout(() => this.#stream.destroy(), END_GRACE_MS).unref();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  /** The timer would keep the whole connection in memory: at a thousand connects a second, hundreds of them. */
  closed(): void {
    if (this.#grace !== null) clearTimeout(this.#grace);
  }
}

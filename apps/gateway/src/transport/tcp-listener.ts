import type { Socket } from 'node:net';

import type { Transport } from '@breakwater/mqtt-endpoint';

import { type Accept, END_GRACE_MS, type Listener } from './listener.ts';
import type { Peer } from './peer.ts';
import { listenStreams, type StreamListenOptions } from './stream-listener.ts';

/** MQTT over TCP or, with a certificate, over TLS. */
export function listenTcp(options: StreamListenOptions, accept: Accept): Promise<Listener> {
  return listenStreams(options, (stream, peer) => connect(stream, peer, accept));
}

function connect(stream: Socket, peer: Peer, accept: Accept): void {
  const input = accept(streamTransport(stream, peer));
  stream.on('data', (bytes: Buffer) => input.receive(bytes));
  stream.on('drain', () => input.drained());
  stream.on('close', () => input.transportClosed());
}

function streamTransport(stream: Socket, peer: Peer): Transport {
  return {
    ...peer,
    write: (bytes) => !stream.writable || stream.write(bytes),
    bytesQueued: () => stream.writableLength,
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    end: () => {
      stream.end();
      setTimeout(() => stream.destroy(), END_GRACE_MS).unref();
    },
    destroy: () => void stream.destroy(),
  };
}

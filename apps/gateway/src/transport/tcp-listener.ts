import { createServer, type Socket } from 'node:net';

import type { Transport } from '@breakwater/mqtt-endpoint';

import { type Accept, END_GRACE_MS, listen, type Listener, type ListenOptions } from './listener.ts';

const TCP_KEEPALIVE_MS = 60_000;

/** MQTT over TCP. */
export async function listenTcp(options: ListenOptions, accept: Accept): Promise<Listener> {
  // Small answers leave at once; the engine joins those of one flush into one write by itself.
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => connect(socket, accept));
  const port = await listen(server, options);
  return {
    port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function connect(socket: Socket, accept: Accept): void {
  // A client without a keepalive of its own may be gone without a word: the system finds out.
  socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
  const input = accept(tcpTransport(socket));
  socket.on('data', (bytes: Buffer) => input.receive(bytes));
  socket.on('drain', () => input.drained());
  // What went wrong shows as the end of the connection; without a listener the process would end with it.
  socket.on('error', () => undefined);
  socket.on('close', () => input.transportClosed());
}

function tcpTransport(socket: Socket): Transport {
  return {
    remoteAddress: socket.remoteAddress ?? '',
    write: (bytes) => !socket.writable || socket.write(bytes),
    bytesQueued: () => socket.writableLength,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => {
      socket.end();
      setTimeout(() => socket.destroy(), END_GRACE_MS).unref();
    },
    destroy: () => void socket.destroy(),
  };
}

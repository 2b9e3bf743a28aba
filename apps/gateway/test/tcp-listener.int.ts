import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';

import { createLogger } from '@breakwater/observability';
import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { readIntoSharedBuffer } from '../src/transport/shared-read-buffer.ts';
import { listenTcp } from '../src/transport/tcp-listener.ts';
import { until } from './gateway-fixture.ts';

it('lets the system look after connections whose client asks for no keepalive', async () => {
  const setKeepAlive = jest.spyOn(Socket.prototype, 'setKeepAlive');
  const ignore = (): void => undefined;
  const input = { receive: ignore, drained: ignore, transportClosed: ignore };
  const address = { host: '127.0.0.1', port: 0, logger: createLogger('gateway', 'silent') };
  const plain = { proxyProtocol: false, certificate: null, handshakeTimeoutMs: 1_000, handshakesMax: 1 };
  const listener = await listenTcp({ ...address, ...plain, onRefused: ignore }, () => input);
  const client = connect({ host: '127.0.0.1', port: listener.port });
  await until('the connection to be accepted', () => setKeepAlive.mock.calls.length > 0);
  expect(setKeepAlive.mock.calls[0]?.[0]).toBe(true);
  client.destroy();
  await listener.close();
  setKeepAlive.mockRestore();
});

describe('reading into a buffer that all sockets share', () => {
  const sockets: Socket[] = [];
  const clients: Socket[] = [];
  const server = createServer();

  afterEach(() => {
    for (const socket of [...clients, ...sockets]) socket.destroy();
    server.close();
  });

  const bytesOf = (pieces: readonly Buffer[]): string => Buffer.concat(pieces).toString('latin1');

  it('is what this Node does, and keeps what each socket brought as it came', async () => {
    const received = new Map<string, Buffer[]>();
    server.on('connection', (socket) => {
      const pieces: Buffer[] = [];
      sockets.push(socket);
      const isShared = readIntoSharedBuffer(socket, (bytes) => {
        pieces.push(bytes);
        received.set(bytesOf(pieces).slice(0, 1), pieces);
      });
      expect(isShared).toBe(true);
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const names = ['a', 'b', 'c'];
    clients.push(...names.map(() => connect({ host: '127.0.0.1', port })));
    for (const turn of [1, 2, 3]) {
      for (const [index, client] of clients.entries()) client.write(names[index]!.repeat(1_000 * turn));
      await until('all of a turn to come', () =>
        names.every((name) => bytesOf(received.get(name) ?? []).length === 500 * turn * (turn + 1)),
      );
    }
    for (const name of names) expect(bytesOf(received.get(name)!)).toBe(name.repeat(6_000));
    // A pause holds at once: what comes meanwhile stays with the system.
    for (const socket of sockets) socket.pause();
    clients[0]!.write('a'.repeat(100));
    clients[1]!.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bytesOf(received.get('a')!)).toHaveLength(6_000);
    for (const socket of sockets) socket.resume();
    await until('the rest to come', () => bytesOf(received.get('a')!).length === 6_100);
    await until('the end to be seen', () => sockets.some(({ destroyed }) => destroyed));
  });
});

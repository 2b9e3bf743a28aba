import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';

import { createLogger } from '@breakwater/observability';
import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { DirectSocket } from '../src/transport/direct-socket.ts';
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

describe('a socket past its stream', () => {
  const sockets: Socket[] = [];
  const clients: Socket[] = [];
  let server = createServer();

  afterEach(() => {
    for (const socket of [...clients.splice(0), ...sockets.splice(0)]) socket.destroy();
    server.close();
  });

  const bytesOf = (pieces: readonly Buffer[]): string => Buffer.concat(pieces).toString('latin1');

  /** The sockets of the server, in the order in which the clients connected. */
  async function connected(count: number, receive: (bytes: Buffer, index: number) => void): Promise<DirectSocket[]> {
    const directs: DirectSocket[] = [];
    server = createServer();
    server.on('connection', (socket) => {
      const index = sockets.push(socket) - 1;
      const direct = DirectSocket.of(socket, (bytes) => receive(bytes, index));
      expect(direct).not.toBeNull();
      directs.push(direct!);
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (let index = 0; index < count; index++) {
      clients.push(connect({ host: '127.0.0.1', port }));
      await until('the connection to be accepted', () => sockets.length === index + 1);
    }
    return directs;
  }

  it('is what this Node does, and keeps what each socket brought as it came', async () => {
    const names = ['a', 'b', 'c'];
    const received: Buffer[][] = names.map(() => []);
    const directs = await connected(names.length, (bytes, index) => received[index]!.push(bytes));
    for (const turn of [1, 2, 3]) {
      for (const [index, client] of clients.entries()) client.write(names[index]!.repeat(1_000 * turn));
      await until('all of a turn to come', () =>
        received.every((pieces) => bytesOf(pieces).length === 500 * turn * (turn + 1)),
      );
    }
    for (const [index, name] of names.entries()) expect(bytesOf(received[index]!)).toBe(name.repeat(6_000));
    // A pause holds at once: what comes meanwhile stays with the system.
    for (const direct of directs) direct.pause();
    clients[0]!.write('a'.repeat(100));
    clients[1]!.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bytesOf(received[0]!)).toHaveLength(6_000);
    for (const direct of directs) direct.resume();
    await until('the rest to come', () => bytesOf(received[0]!).length === 6_100);
    await until('the end to be seen', () => sockets.some(({ destroyed }) => destroyed));
  });

  it('writes what the system takes, and leaves the rest to the stream in its place', async () => {
    const [direct] = (await connected(1, () => undefined)) as [DirectSocket];
    const [socket] = sockets as [Socket];
    const [client] = clients as [Socket];
    const heard: Buffer[] = [];
    client.pause();
    let sent = '';
    let leftToStream = 0;
    const write = (text: string): void => {
      sent += text;
      const rest = direct.write(Buffer.from(text));
      if (rest === null) return;
      leftToStream += 1;
      socket.write(rest);
    };
    write('first');
    expect([leftToStream, socket.writableLength]).toEqual([0, 0]);
    // Nobody reads, so the system's buffers are full at some time, and the stream has the rest of one piece.
    for (let piece = 0; leftToStream === 0 && piece < 1_000; piece++) write(`<${piece}>`.padEnd(100_000, '.'));
    expect(socket.writableLength).toBeGreaterThan(0);
    // What comes later has to wait behind it, also when the system has room again before the stream has heard of it.
    let later = 0;
    client.on('data', (bytes) => {
      heard.push(bytes as Buffer);
      if (later < 50 && socket.writableLength > 0) write(`<later ${later++}>`);
    });
    client.resume();
    await until('all to come', () => heard.reduce((sum, { length }) => sum + length, 0) === sent.length);
    expect(bytesOf(heard) === sent).toBe(true);
    // The peer has caught up: nothing stands between the two any more.
    await until('the stream to be empty', () => socket.writableLength === 0);
    expect(direct.write(Buffer.from('again'))).toBeNull();
    await until('the last of it', () => bytesOf(heard).endsWith('again'));
  });

  it('touches nothing of a socket that was closed, whose number may be that of another one', async () => {
    const directs = await connected(2, () => undefined);
    const [first, second] = sockets as [Socket, Socket];
    const heard: Buffer[] = [];
    first.destroy();
    await once(first, 'close');
    // The lowest number that is free is given to the next one.
    const { port } = server.address() as AddressInfo;
    const third = connect({ host: '127.0.0.1', port });
    clients.push(third);
    for (const client of [clients[1]!, third]) client.on('data', (bytes) => heard.push(bytes as Buffer));
    await until('another connection', () => sockets.length === 3);
    const bytes = Buffer.from('not for others');
    expect(directs[0]!.write(bytes)).toBe(bytes);
    directs[0]!.resume();
    directs[0]!.pause();
    expect(second.destroyed).toBe(false);
    directs[1]!.write(Buffer.from('mine'));
    await until('what was written', () => heard.length > 0);
    expect(bytesOf(heard)).toBe('mine');
  });

  it('leaves it to the stream to find that the peer is gone', async () => {
    const [direct] = (await connected(1, () => undefined)) as [DirectSocket];
    const [socket] = sockets as [Socket];
    const errors: string[] = [];
    socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
    direct.pause();
    clients[0]!.resetAndDestroy();
    await once(clients[0]!, 'close');
    const bytes = Buffer.from('x');
    await until('a write to be refused', () => direct.write(bytes) === bytes);
    socket.write(bytes);
    await until('the stream to have ended', () => socket.destroyed);
    expect(errors).toHaveLength(1);
  });
});

import { connect, Socket } from 'node:net';

import { createLogger } from '@breakwater/observability';
import { expect, it, jest } from '@jest/globals';

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

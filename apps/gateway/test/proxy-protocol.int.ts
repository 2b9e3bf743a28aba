import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

import { freePort } from '@breakwater/free-port';
import { createLogger } from '@breakwater/observability';
import type { Transport } from '@breakwater/mqtt-endpoint';
import { afterEach, describe, expect, it } from '@jest/globals';
import { connectAsync } from 'mqtt';
import { createWebSocketStream, WebSocket } from 'ws';

import type { Listener } from '../src/transport/listener.ts';
import { PROXY_SIGNATURE } from '../src/transport/proxy-protocol.ts';
import { listenTcp } from '../src/transport/tcp-listener.ts';
import { TlsCertificate } from '../src/transport/tls-certificate.ts';
import { listenWebSocket } from '../src/transport/websocket-listener.ts';
import { startFixture, until } from './gateway-fixture.ts';
import { makeCa } from '@breakwater/device-trust/testing';
import { makeCertificateFiles, makeServerCertificate } from './test-certificates.ts';

const HOST = '127.0.0.1';
const logger = createLogger('gateway', 'silent');
const CLIENT = '203.0.113.7';

/** What reached the engine over a listener that wants a PROXY header. */
class Reached {
  readonly transports: Transport[] = [];
  readonly refusals: string[] = [];
  received = Buffer.alloc(0);
  readonly accept = (transport: Transport) => {
    this.transports.push(transport);
    return {
      receive: (bytes: Uint8Array) => {
        this.received = Buffer.concat([this.received, bytes]);
      },
      drained: () => undefined,
      transportClosed: () => undefined,
    };
  };

  options(certificate: TlsCertificate | null = null, handshakeTimeoutMs = 10_000) {
    return {
      host: HOST,
      port: 0,
      logger,
      proxyProtocol: true,
      certificate,
      handshakeTimeoutMs,
      handshakesMax: 10,
      onRefused: (refusal: string, { detail }: { detail: string }) => this.refusals.push(`${refusal}: ${detail}`),
    };
  }
}

function headerOf(address: string, added = Buffer.alloc(0)): Buffer {
  const addresses = Buffer.from([...address.split('.').map(Number), 127, 0, 0, 1, 0x12, 0x34, 0x07, 0x5b]);
  const length = addresses.length + added.length;
  return Buffer.concat([PROXY_SIGNATURE, Buffer.from([0x21, 0x11, length >> 8, length & 0xff]), addresses, added]);
}

describe('a listener behind a proxy', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  const open = async (listening: Promise<Listener>): Promise<number> => {
    const listener = await listening;
    cleanups.push(() => listener.close());
    return listener.port;
  };
  const dial = (port: number): Socket => {
    const socket = connect({ host: HOST, port });
    socket.on('error', () => undefined);
    cleanups.push(() => socket.destroy());
    return socket;
  };
  const serverCertificate = async () => {
    const ca = await makeCa('CN=root');
    const files = await makeCertificateFiles(await makeServerCertificate(ca));
    cleanups.push(files.remove);
    const { certFile, keyFile } = files;
    const times = { reloadMs: 60_000, nowMs: Date.now };
    const certificate = await TlsCertificate.load({ certFile, keyFile, ...times, logger, onReload: () => undefined });
    return { ca, certificate };
  };

  it('knows the address of the client, and hands on every byte behind the header, however it is cut', async () => {
    const reached = new Reached();
    const port = await open(listenTcp(reached.options(), reached.accept));
    const all = Buffer.concat([headerOf(CLIENT, Buffer.from([4, 0, 1, 9])), Buffer.from('MQTT follows')]);
    const whole = dial(port);
    whole.write(all);
    await until('the bytes', () => reached.received.toString() === 'MQTT follows');
    const inBytes = dial(port);
    for (const byte of all) {
      inBytes.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until('the bytes again', () => reached.received.toString() === 'MQTT followsMQTT follows');
    expect(reached.transports.map(({ remoteAddress }) => remoteAddress)).toEqual([CLIENT, CLIENT]);
  });

  it('takes the proxy’s own connection for what it is', async () => {
    const reached = new Reached();
    const port = await open(listenTcp(reached.options(), reached.accept));
    dial(port).write(Buffer.concat([PROXY_SIGNATURE, Buffer.from([0x20, 0, 0, 0]), Buffer.from('x')]));
    await until('the byte', () => reached.received.toString() === 'x');
    expect(reached.transports[0]?.remoteAddress).toMatch(/127\.0\.0\.1$/);
  });

  it.each([
    ['no header', Buffer.from('101000044d5154540402003c000464657631', 'hex'), 'proxyHeader: there is no PROXY header'],
    ['version 1', Buffer.from('PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n'), 'proxyHeader: version 1 is not spoken'],
    ['version 1 in short', Buffer.from('PROXY UNKNOWN\r\n'), 'proxyHeader: version 1 is not spoken'],
    ['half a header', headerOf(CLIENT).subarray(0, 20), 'handshakeTimeout'],
    ['nothing', Buffer.alloc(0), 'handshakeTimeout'],
  ])('closes a connection with %s', async (_, bytes, refusal) => {
    const reached = new Reached();
    const port = await open(listenTcp(reached.options(null, 300), reached.accept));
    const socket = dial(port);
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(reached.refusals).toEqual([expect.stringContaining(refusal)]);
    expect(reached.transports).toEqual([]);
  });

  it('reads the header before TLS', async () => {
    const reached = new Reached();
    const { ca, certificate } = await serverCertificate();
    const port = await open(listenTcp(reached.options(certificate), reached.accept));
    const socket = dial(port);
    socket.write(headerOf(CLIENT));
    const secure = connectTls({ socket, ca: ca.pem, host: HOST, servername: 'localhost' });
    secure.on('error', () => undefined);
    secure.write('over TLS');
    await until('the bytes', () => reached.received.toString() === 'over TLS');
    expect(reached.transports[0]?.remoteAddress).toBe(CLIENT);
  });

  it('closes TLS without a header', async () => {
    const reached = new Reached();
    const { ca, certificate } = await serverCertificate();
    const port = await open(listenTcp(reached.options(certificate), reached.accept));
    const secure = connectTls({ port, ca: ca.pem, host: HOST, servername: 'localhost' });
    await new Promise((resolve) => secure.on('error', () => undefined).once('close', resolve));
    expect(reached.refusals).toEqual(['proxyHeader: there is no PROXY header']);
  });

  it('reads the header before a WebSocket', async () => {
    const reached = new Reached();
    const port = await open(listenWebSocket({ ...reached.options(), frameBytesMax: 1_000 }, reached.accept));
    const socket = new WebSocket(`ws://${HOST}:${port}/mqtt`, 'mqtt', {
      createConnection: () => {
        const raw = dial(port);
        raw.write(headerOf(CLIENT));
        return raw;
      },
    });
    const stream = createWebSocketStream(socket);
    cleanups.push(() => stream.destroy());
    stream.write('in a frame');
    await until('the bytes', () => reached.received.toString() === 'in a frame');
    expect(reached.transports[0]?.remoteAddress).toBe(CLIENT);
  });

  const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;
  (hasHaproxy ? it : it.skip)('works behind haproxy', async () => {
    const gateway = await startFixture({ settings: { proxyProtocol: new Set(['mqtt'] as const) } });
    cleanups.push(gateway.stop);
    await gateway.addDevice('d1');
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'breakwater-haproxy-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const configuration = [
      'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s',
      `listen mqtt\n  bind ${HOST}:${port}\n  server gateway ${HOST}:${gateway.ports.mqtt} send-proxy-v2`,
    ].join('\n');
    await writeFile(join(folder, 'haproxy.cfg'), `${configuration}\n`);
    const haproxy = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: 'ignore' });
    cleanups.push(() => haproxy.kill('SIGKILL'));
    await until('haproxy to listen', () => isOpen(port));
    const login = { clientId: 'd1', username: 'token-d1', reconnectPeriod: 0 };
    const client = await connectAsync(`mqtt://${HOST}:${port}`, login, false);
    await client.publishAsync('v1/devices/me/telemetry', '{"t":1}', { qos: 1 });
    await client.endAsync();
    const past = dial(gateway.ports.mqtt);
    past.write(Buffer.from('101000044d5154540402003c000464657631', 'hex'));
    await new Promise((resolve) => past.once('close', resolve));
  });
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

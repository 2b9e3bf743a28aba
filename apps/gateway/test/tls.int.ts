import { writeFile } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectAsync, type MqttClient } from 'mqtt';
import { createWebSocketStream, WebSocket } from 'ws';

import type { GatewaySettings } from '../src/read-gateway-settings.ts';
import { ANY_FREE_PORT } from '../src/transport/listener.ts';
import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';
import { makeCa, type TestCertificate } from '@breakwater/device-trust/testing';
import { type CertificateFiles, makeCertificateFiles, makeServerCertificate } from './test-certificates.ts';

const HOST = '127.0.0.1';

describe('MQTT over TLS', () => {
  let ca: TestCertificate;
  let first: TestCertificate;
  const cleanups: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    ca = await makeCa('CN=test root');
    first = await makeServerCertificate(ca);
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const start = async (
    settings: Partial<GatewaySettings> = {},
  ): Promise<{ gateway: GatewayFixture; files: CertificateFiles; port: number; wssPort: number }> => {
    const files = await makeCertificateFiles(first);
    cleanups.push(files.remove);
    const tls = { tlsCertFile: files.certFile, tlsKeyFile: files.keyFile, tlsReloadMs: 100 };
    const anyPorts = { mqttTlsPort: ANY_FREE_PORT, mqttWebSocketTlsPort: ANY_FREE_PORT };
    const gateway = await startFixture({ settings: { ...tls, ...anyPorts, ...settings } });
    cleanups.push(gateway.stop);
    await gateway.addDevice('d1');
    return { gateway, files, port: gateway.ports.mqtts, wssPort: gateway.ports.mqttWss };
  };
  const connectMqtts = (port: number): Promise<MqttClient> =>
    connectAsync(
      `mqtts://${HOST}:${port}`,
      {
        ...{ ca: ca.pem, clientId: 'd1', username: 'd1', password: 'token-d1' },
        ...{ reconnectPeriod: 0, protocolVersion: 5 },
      },
      false,
    );
  const handshake = (port: number, options: ConnectionOptions = {}): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: HOST, port, ca: ca.pem, ...options }, () => resolve(socket));
      socket.once('error', reject);
      cleanups.push(async () => socket.destroy());
    });

  it('is on as soon as there is a certificate, and takes telemetry', async () => {
    const { gateway, port } = await start();
    const client = await connectMqtts(port);
    await client.publishAsync('v1/devices/me/telemetry', '{"t":1}', { qos: 1 });
    expect(await gateway.records('telemetry')).toHaveLength(1);
    await client.endAsync();
  });

  it('is there for WebSocket too', async () => {
    const { wssPort } = await start();
    const socket = new WebSocket(`wss://${HOST}:${wssPort}/mqtt`, 'mqtt', { ca: ca.pem });
    const stream = createWebSocketStream(socket);
    cleanups.push(async () => stream.destroy());
    const answered = new Promise<Buffer>((resolve) => stream.once('data', resolve));
    stream.write(connectPacketOf('d1'));
    expect((await answered).toString('hex')).toBe('20020000');
  });

  it('speaks TLS 1.2 and 1.3 with forward secrecy, and nothing older or weaker', async () => {
    const { port } = await start();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await handshake(port, { minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
    }
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(handshake(port, old)).rejects.toThrow();
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:AES128-SHA' } as const;
    await expect(handshake(port, weak)).rejects.toThrow();
  });

  it('takes a new certificate with connections held, and keeps the old one while the new one is bad', async () => {
    const { gateway, files, port } = await start();
    const client = await connectMqtts(port);
    let closed = false;
    client.on('close', () => (closed = true));
    const serial = async (): Promise<string> => {
      const socket = await handshake(port);
      return socket.getPeerX509Certificate()!.serialNumber.toLowerCase();
    };
    const before = await serial();
    const reloads = async (result: string): Promise<number> => counterOf(gateway, result);

    await writeFile(files.certFile, 'not a certificate');
    await until('the bad file to be refused', async () => (await reloads('refused')) === 1);
    expect(await serial()).toBe(before);

    const second = await makeServerCertificate(ca);
    // The certificate without its key: as a tool leaves it between two steps.
    await writeFile(files.certFile, second.pem);
    await until('the half to be refused', async () => (await reloads('refused')) === 2);
    expect(await serial()).toBe(before);

    await files.write(second);
    await until('the new one', async () => (await reloads('taken')) === 1);
    expect(await serial()).toBe(second.certificate.serialNumber);
    expect(await serial()).not.toBe(before);

    const expired = await makeServerCertificate(ca, { notAfter: new Date(Date.now() - 1_000) });
    await files.write(expired);
    await until('the expired one to be refused', async () => (await reloads('refused')) >= 3);
    expect(await serial()).toBe(second.certificate.serialNumber);

    await client.publishAsync('v1/devices/me/telemetry', '{"t":1}', { qos: 1 });
    expect(closed).toBe(false);
    await client.endAsync();
  });

  it('does not start with a certificate that cannot be used', async () => {
    const files = await makeCertificateFiles(first);
    cleanups.push(files.remove);
    await writeFile(files.keyFile, (await makeServerCertificate(ca)).keyPem);
    const settings = { tlsCertFile: files.certFile, tlsKeyFile: files.keyFile };
    await expect(startFixture({ settings })).rejects.toMatchObject({ code: 'TLS_CERTIFICATE_UNUSABLE' });
  });

  it('closes a handshake that takes too long, and more of them than it may hold at once', async () => {
    const { port } = await start({ handshakeTimeoutMs: 500, handshakesMax: 2 });
    const silent = [0, 1, 2].map(() => connectSocket({ host: HOST, port }));
    cleanups.push(async () => silent.forEach((socket) => socket.destroy()));
    let closed = 0;
    for (const socket of silent) socket.on('error', () => undefined).on('close', () => (closed += 1));
    await until('the one beyond the limit to be closed', () => closed >= 1);
    await until('the silent ones to be closed', () => closed === 3);
    await handshake(port);
  });

  it('survives what is no TLS', async () => {
    const { gateway, port } = await start();
    const socket = connectSocket({ host: HOST, port });
    socket.on('error', () => undefined);
    socket.write(connectPacketOf('d1'));
    await new Promise((resolve) => socket.once('close', resolve));
    const text = await gateway.metrics.text();
    expect(text).toMatch(/mqtt_transport_refused_total\{[^}]*listener="mqtts",reason="tlsHandshake"[^}]*\} 1/);
    await (await connectMqtts(port)).endAsync();
  });
});

async function counterOf(gateway: GatewayFixture, result: string): Promise<number> {
  const text = await gateway.metrics.text();
  return Number(new RegExp(`mqtt_tls_reloads_total\\{[^}]*result="${result}"[^}]*\\} (\\d+)`).exec(text)?.[1] ?? 0);
}

/** MQTT 3.1.1, with the device's token as user name. */
function connectPacketOf(id: string): Buffer {
  const text = (value: string): Buffer => Buffer.from([0, value.length, ...Buffer.from(value)]);
  const body = Buffer.concat([text('MQTT'), Buffer.from([4, 0x82, 0, 60]), text(id), text(`token-${id}`)]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

import { connectRedis, RedisDeviceRegistry, RedisEventLog } from '@breakwater/adapter-redis';
import { type RedisServerForTest, redisServerAvailable, startRedisServer } from '@breakwater/adapter-redis/testing';
import { freePort } from '@breakwater/free-port';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceId, TenantId } from '@breakwater/twin';
import type { Lane } from '@breakwater/twin-runtime';
import type { WireRecord } from '@breakwater/wire';
import { connectAsync, type MqttClient } from 'mqtt';

import { makeCertificate } from '@breakwater/device-trust/testing';
import { hashOfToken } from '../src/identity/device-tokens.ts';
import { recordsOfLane, until } from './gateway-fixture.ts';
import { GatewayProcess } from './gateway-process.ts';
import { Mosquitto, mosquittoAvailable } from './mosquitto.ts';
import { makeCertificateFiles, makeServerCertificate } from './test-certificates.ts';

const TENANT = 'default' as TenantId;
const DEVICES = ['a', 'b', 'c'];
const MESSAGES = 600;
const AT_ONCE = 50;
const ready = redisServerAvailable() && mosquittoAvailable() ? describe : describe.skip;

ready('a bridge to another broker (needs redis-server and mosquitto)', () => {
  let redis: RedisServerForTest;
  let connection: Awaited<ReturnType<typeof connectRedis>>;
  let broker: Mosquitto;
  const bridges = new Map<string, GatewayProcess>();
  const healthPorts = new Map<string, number>();
  const clients: MqttClient[] = [];

  beforeEach(async () => {
    redis = await startRedisServer();
    connection = await connectRedis(redis.url);
    const registry = new RedisDeviceRegistry(connection);
    for (const id of DEVICES) await registry.createDevice(TENANT, id as DeviceId, hashOfToken(`token-${id}`), 1);
    broker = await Mosquitto.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.end(true);
    await Promise.all([...bridges.values()].map((bridge) => bridge.kill()));
    bridges.clear();
    await broker.remove();
    connection.disconnect();
    await redis.stop();
  });

  const startBridge = async (clientId: string, env: Readonly<Record<string, string>> = {}): Promise<void> => {
    const metricsPort = await freePort();
    const bridge = await GatewayProcess.start(redis.url, undefined, {
      GATEWAY_ROLE: 'bridge',
      BRIDGE_URL: `mqtt://127.0.0.1:${broker.port}`,
      BRIDGE_CLIENT_ID: clientId,
      METRICS_PORT: String(metricsPort),
      // While one bridge is away the other goes on: that many are to be recognised.
      GATEWAY_RESEND_ENTRIES_MAX: String(MESSAGES),
      ...env,
    });
    bridges.set(clientId, bridge);
    healthPorts.set(clientId, metricsPort);
    await until('the bridge to be subscribed', () => isSubscribed(clientId));
  };
  const isSubscribed = async (clientId: string): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${healthPorts.get(clientId)}/health/ready`)).status === 200;
  const metricOf = async (clientId: string, name: string): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${healthPorts.get(clientId)}/metrics`).catch(() => null);
    const text = (await answer?.text()) ?? '';
    return Number(new RegExp(`${name}(?:\\{[^}]*\\})? (\\d+)`).exec(text)?.[1] ?? 0);
  };
  const publisher = async (): Promise<MqttClient> => {
    const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
      protocolVersion: 5,
      clientId: `publisher-${clients.length}`,
      clean: false,
      properties: { sessionExpiryInterval: 600 },
      reconnectPeriod: 50,
    });
    clients.push(client);
    return client;
  };
  /** All of it, `AT_ONCE` messages at a time; settles when the broker has acknowledged every one. */
  const publishAll = async (
    client: MqttClient,
    onAcknowledged: (count: number) => void | Promise<void>,
  ): Promise<void> => {
    for (let first = 0; first < MESSAGES; first += AT_ONCE) {
      const numbers = Array.from({ length: AT_ONCE }, (_, at) => first + at);
      await Promise.all(
        numbers.map((n) => {
          const payload = JSON.stringify({ ts: 1_795_000_000_000 + n, values: { n }, id: `m-${n}` });
          return client.publishAsync(`default/${DEVICES[n % DEVICES.length]}/telemetry`, payload, { qos: 1 });
        }),
      );
      await onAcknowledged(first + AT_ONCE);
    }
  };
  const records = async (lane: Lane): Promise<readonly WireRecord[]> => {
    const log = new RedisEventLog({ redis: connection, laneBytesMax: { control: 1, telemetry: 1 }, frameBytesMax: 1 });
    const found = await recordsOfLane(log, lane);
    log.close();
    return found;
  };
  const numbers = async (): Promise<readonly number[]> =>
    (await records('telemetry')).flatMap(({ message }) =>
      message.kind === 'telemetry' ? [Number(message.points[0]?.values.get('n'))] : [],
    );
  const expectEachOnce = async (): Promise<void> => {
    await until('all to be in the log', async () => new Set(await numbers()).size === MESSAGES);
    const found = [...(await numbers())].sort((one, other) => one - other);
    expect(found).toEqual(Array.from({ length: MESSAGES }, (_, n) => n));
  };

  it('takes what devices say there, and keeps what it cannot use', async () => {
    await startBridge('one');
    const client = await publisher();
    await client.publishAsync('default/a/twin/reported', '{"on":true}', { qos: 2 });
    await client.publishAsync('default/a/events/opened', '{"door":1}', { qos: 1 });
    await client.publishAsync('default/a/telemetry', 'no JSON', { qos: 1 });
    await client.publishAsync('default/nobody/telemetry', '{"n":1}', { qos: 1 });
    await client.publishAsync('NO-TENANT/a/telemetry', '{"n":1}', { qos: 1 });
    await client.publishAsync('default/b/telemetry', '{"n":1}', { qos: 0 });
    await until('all to be in the log', async () => (await records('telemetry')).length === 5);
    const inShort = (await records('telemetry')).map(({ device, message }) =>
      message.kind === 'deadLetter' ? `${device}: ${message.code} ${message.topic}` : `${device}: ${message.kind}`,
    );
    expect([...inShort].sort()).toEqual([
      'a: PAYLOAD_MALFORMED v1/devices/a/telemetry',
      'a: event',
      'b: telemetry',
      'bridge: DEVICE_UNKNOWN default/nobody/telemetry',
      'bridge: TOPIC_UNKNOWN NO-TENANT/a/telemetry',
    ]);
    expect((await records('control')).map(({ device, message }) => `${device}: ${message.kind}`)).toEqual([
      'a: reportState',
    ]);
  });

  it('speaks TLS with a broker whose certificate is good for its name, and with no other', async () => {
    const ca = await makeCertificate({ subject: 'CN=ca', isCa: true });
    const files = await makeCertificateFiles(await makeServerCertificate(ca));
    const trusted = await makeCertificateFiles(ca);
    const secured = await Mosquitto.start(files);
    try {
      const good = { NODE_EXTRA_CA_CERTS: trusted.certFile, BRIDGE_URL: `mqtts://localhost:${secured.port}` };
      await startBridge('one', good);
      const client = await connectAsync(`mqtts://localhost:${secured.port}`, { ca: ca.pem, protocolVersion: 5 });
      clients.push(client);
      await client.publishAsync('default/a/telemetry', '{"n":1}', { qos: 1 });
      await until('it to be in the log', async () => (await numbers()).length === 1);
      // Without the CA nobody vouches for the certificate.
      const neverSubscribed = expect(startBridge('two', { ...good, NODE_EXTRA_CA_CERTS: '' })).rejects.toThrow();
      await until('the stranger to try', async () => (await metricOf('two', 'bridge_disconnects_total')) > 0);
      expect(await isSubscribed('two')).toBe(false);
      await bridges.get('two')!.kill();
      await neverSubscribed;
    } finally {
      await secured.remove();
      await files.remove();
      await trusted.remove();
    }
  });

  it('has each message once when it is killed, again and again, and when two of them share', async () => {
    await Promise.all([startBridge('one'), startBridge('two')]);
    const client = await publisher();
    // One after the other: the next kill is of a bridge that has come back.
    let kills: Promise<void> = Promise.resolve();
    await publishAll(client, (count) => {
      if (count % 200 !== 0) return;
      const name = count % 400 === 0 ? 'two' : 'one';
      kills = kills.then(() => bridges.get(name)!.kill()).then(() => startBridge(name));
    });
    await kills;
    await expectEachOnce();
  });

  it('has each message once when the broker is restarted, and when it is stopped in order itself', async () => {
    await startBridge('one');
    const client = await publisher();
    let restarted: Promise<void> = Promise.resolve();
    await publishAll(client, async (count) => {
      if (count === 200) {
        await broker.stop();
        await broker.startAgain();
        // This mosquitto forgets shared subscriptions, though not what it had for them: it is asked for again.
        await until('the bridge to be subscribed again', () => isSubscribed('one'));
      }
      if (count === 400) {
        restarted = bridges
          .get('one')!
          .stop()
          .then(() => startBridge('one'));
      }
    });
    await restarted;
    await expectEachOnce();
  });

  it('leaves at the broker what it may not take yet', async () => {
    await startBridge('one', { BRIDGE_RECEIVE_MAX: '4', GATEWAY_PUBLISHES_PER_SECOND_MAX: '40' });
    const client = await publisher();
    const startedAtMs = performance.now();
    const all = Array.from({ length: 100 }, (_, n) =>
      client.publishAsync('default/a/telemetry', `{"n":${n}}`, { qos: 1 }),
    );
    await Promise.all(all);
    await until('all to be in the log', async () => (await numbers()).length === 100);
    // A burst of one second's worth, and the rest at the rate of a device.
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_000);
    expect(await numbers()).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
});

import { connectRedis, RedisBanList, RedisDeviceRegistry } from '@breakwater/adapter-redis';
import { type RedisServerForTest, redisServerAvailable, startRedisServer } from '@breakwater/adapter-redis/testing';
import { createLogger, Metrics } from '@breakwater/observability';
import type { DeviceId, TenantId } from '@breakwater/twin';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect as connectMqtt, type MqttClient } from 'mqtt';

import { Gateway } from '../src/gateway.ts';
import { hashOfToken } from '../src/identity/device-tokens.ts';
import { readGatewaySettings } from '../src/read-gateway-settings.ts';
import { connectRedisPorts } from '../src/redis-gateway-ports.ts';
import { MEMORY_OF_A_TEST_RUN_MB, PARTITIONS, until } from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

const onRedis = redisServerAvailable() ? describe : describe.skip;
const logger = createLogger('gateway', process.env['LOG_LEVEL'] ?? 'silent');
const BANNED = { 4: 5, 5: 0x8a } as const;
const FLAPPING_CLOSES = 15;

interface RunningGateway {
  readonly port: number;
  stop(): Promise<void>;
}

onRedis('bans of two gateways on Redis', () => {
  let redis: RedisServerForTest;
  let bans: RedisBanList;
  let closeBans: () => void;
  const running: RunningGateway[] = [];
  beforeEach(async () => {
    redis = await startRedisServer();
    const connection = await connectRedis(redis.url);
    bans = new RedisBanList(connection, { bansMax: 100 });
    closeBans = () => connection.disconnect();
    const registry = new RedisDeviceRegistry(connection);
    for (const id of ['flapper', 'calm']) {
      await registry.createDevice('default' as TenantId, id as DeviceId, hashOfToken(`token-${id}`), 1);
    }
  });
  afterEach(async () => {
    for (const gateway of running.splice(0)) await gateway.stop();
    closeBans();
    await redis.stop();
  });

  /** With the defaults of everything that protects, but for what `env` says. */
  async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
    const settings = {
      ...readGatewaySettings({ REDIS_URL: redis.url, PARTITIONS: String(PARTITIONS), MQTT_WS_PORT: '0', ...env }),
      bindHost: '127.0.0.1',
      mqttPort: 0,
      drainMs: 2_000,
      memoryMegabytesMax: MEMORY_OF_A_TEST_RUN_MB,
    };
    const { ports, close } = await connectRedisPorts(settings, logger);
    const gateway = new Gateway({ settings, ports, metrics: new Metrics('gateway'), logger });
    const { mqtt } = await gateway.start();
    let stopping: Promise<void> | null = null;
    const stop = (): Promise<void> => (stopping ??= gateway.stop().then(close));
    const started = { port: mqtt ?? 0, stop };
    running.push(started);
    return started;
  }

  /** An ordinary client that reconnects by itself and whose network fails each time that it is connected. */
  function startFlapper(port: number): { readonly client: MqttClient; connects: number; refusedWith: number | null } {
    const client = connectMqtt(`mqtt://127.0.0.1:${port}`, {
      clientId: 'flapper',
      username: 'flapper',
      password: 'token-flapper',
      protocolVersion: 5,
      reconnectPeriod: 5,
    });
    const flapper = { client, connects: 0, refusedWith: null as number | null };
    client.on('connect', () => {
      flapper.connects += 1;
      client.stream.destroy();
    });
    client.on('error', (error) => {
      if ('code' in error && typeof error.code === 'number') flapper.refusedWith = error.code;
    });
    return flapper;
  }

  const connackAt = async (gateway: RunningGateway, id: string, version: 4 | 5): Promise<number | null> => {
    const client = await RawClient.open(gateway.port, id, version);
    if (client.accepted) client.send({ cmd: 'disconnect' });
    await until('the end', () => client.closed || !client.accepted);
    return client.connackCode;
  };

  it('hold at both for a client that reconnects by itself, and are gone from both when lifted', async () => {
    const [here, there] = [await start(), await start()];
    const flapper = startFlapper(here.port);
    await until('the ban', () => flapper.refusedWith === BANNED[5]);
    expect(flapper.connects).toBe(FLAPPING_CLOSES);
    flapper.client.end(true);
    await until('the ban in the list', async () => (await bans.find('device:default:flapper')) !== null);
    for (const version of [4, 5] as const) {
      const bannedAt = (gateway: RunningGateway) => async (): Promise<boolean> =>
        (await connackAt(gateway, 'flapper', version)) === BANNED[version];
      await until('the ban elsewhere', bannedAt(there));
      expect(await bannedAt(here)()).toBe(true);
    }
    for (const gateway of [here, there]) expect(await connackAt(gateway, 'calm', 5)).toBe(0);

    const next = await start();
    expect(await connackAt(next, 'flapper', 5)).toBe(BANNED[5]);

    expect((await bans.lift('device:default:flapper'))?.reason).toBe('flapping');
    for (const gateway of [here, there, next]) {
      await until('the lift', async () => (await connackAt(gateway, 'flapper', 5)) === 0);
    }
  });

  it('are none for a device whose gateways are stopped again and again', async () => {
    // One close that counts would be a ban.
    const strict = { GATEWAY_FLAPPING_CLOSES_MAX: '1' };
    let current = await start(strict);
    const client = connectMqtt(`mqtt://127.0.0.1:${current.port}`, {
      clientId: 'calm',
      username: 'calm',
      password: 'token-calm',
      protocolVersion: 5,
      reconnectPeriod: 5,
    });
    client.on('error', () => undefined);
    for (let restart = 0; restart < 3; restart += 1) {
      await until('the connection', () => client.connected);
      await current.stop();
      await until('its end', () => !client.connected);
      current = await start(strict);
      client.options.port = current.port;
    }
    await until('the connection', () => client.connected);
    expect((await bans.read(null))?.bans).toEqual([]);
    client.end(true);
  });
});

import { RedisDeviceRegistry, connectRedis } from '@breakwater/adapter-redis';
import { type RedisServerForTest, redisServerAvailable, startRedisServer } from '@breakwater/adapter-redis/testing';
import { createLogger, Metrics } from '@breakwater/observability';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceId, TenantId } from '@breakwater/twin';

import { Gateway } from '../src/gateway.ts';
import { readGatewaySettings } from '../src/read-gateway-settings.ts';
import { type ConnectedPorts, connectRedisPorts } from '../src/redis-gateway-ports.ts';
import { hashOfToken } from '../src/identity/device-tokens.ts';
import { MEMORY_OF_A_TEST_RUN_MB, PARTITIONS, recordsOfLane, until } from './gateway-fixture.ts';
import { PersistentDevice } from './persistent-device.ts';

const onRedis = redisServerAvailable() ? describe : describe.skip;
const logger = createLogger('gateway', process.env['LOG_LEVEL'] ?? 'silent');

interface RunningGateway extends ConnectedPorts {
  readonly gateway: Gateway;
  readonly port: number;
}

async function startOn(redisUrl: string): Promise<RunningGateway> {
  const settings = {
    ...readGatewaySettings({ REDIS_URL: redisUrl, PARTITIONS: String(PARTITIONS), MQTT_WS_PORT: '0' }),
    bindHost: '127.0.0.1',
    mqttPort: 0,
    drainMs: 2_000,
    memoryMegabytesMax: MEMORY_OF_A_TEST_RUN_MB,
  };
  const connected = await connectRedisPorts(settings, logger);
  const gateway = new Gateway({ settings, ports: connected.ports, metrics: new Metrics('gateway'), logger });
  const { mqtt } = await gateway.start();
  return { ...connected, gateway, port: mqtt ?? 0 };
}

onRedis('a gateway on Redis', () => {
  let redis: RedisServerForTest;
  const running: RunningGateway[] = [];
  beforeEach(async () => {
    redis = await startRedisServer();
  });
  afterEach(async () => {
    for (const { gateway, close } of running.splice(0)) {
      await gateway.stop();
      close();
    }
    await redis.stop();
  });
  const addDevices = async (ids: readonly string[]): Promise<void> => {
    const connection = await connectRedis(redis.url);
    const registry = new RedisDeviceRegistry(connection);
    for (const id of ids)
      await registry.createDevice('default' as TenantId, id as DeviceId, hashOfToken(`token-${id}`), 1);
    connection.disconnect();
  };
  const numbersOf = async (ports: ConnectedPorts, id: string): Promise<readonly unknown[]> =>
    (await recordsOfLane(ports.ports.tailLog, 'telemetry')).flatMap(({ device, message }) =>
      device === id && message.kind === 'telemetry' ? [message.points[0]?.values.get('n')] : [],
    );

  it('has every acknowledged message once and in order while Redis is killed again and again', async () => {
    const ids = ['a', 'b', 'c'];
    await addDevices(ids);
    const current = await startOn(redis.url);
    running.push(current);
    const devices = ids.map((id) => new PersistentDevice(id, () => current.port));
    const runs = Promise.all(devices.map((device) => device.run(600, 16)));
    for (let kill = 1; kill <= 3; kill += 1) {
      await until(`enough before kill ${kill}`, () =>
        devices.every(({ acknowledged }) => acknowledged.size >= kill * 120),
      );
      await redis.kill();
      await redis.restart();
    }
    await runs;
    for (const { id } of devices)
      expect(await numbersOf(current, id)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
  });

  it('has every message once when devices go to another gateway in the middle of it', async () => {
    const ids = ['a', 'b', 'c'];
    await addDevices(ids);
    let current = await startOn(redis.url);
    running.push(current);
    const devices = ids.map((id) => new PersistentDevice(id, () => current.port));
    const runs = Promise.all(devices.map((device) => device.run(600, 16)));
    for (let move = 1; move <= 3; move += 1) {
      await until(`enough before move ${move}`, () =>
        devices.every(({ acknowledged }) => acknowledged.size >= move * 120),
      );
      const old = current;
      current = await startOn(redis.url);
      running.push(current);
      await old.gateway.stop();
    }
    await runs;
    for (const { id } of devices)
      expect(await numbersOf(current, id)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
  });
});

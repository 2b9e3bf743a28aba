import { connectRedis, RedisDeviceRegistry, RedisEventLog } from '@breakwater/adapter-redis';
import { type RedisServerForTest, redisServerAvailable, startRedisServer } from '@breakwater/adapter-redis/testing';
import { freePort } from '@breakwater/free-port';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceId, TenantId } from '@breakwater/twin';

import { hashOfToken } from '../src/identity/device-tokens.ts';
import { recordsOfLane, until } from './gateway-fixture.ts';
import { GatewayProcess } from './gateway-process.ts';
import { PersistentDevice } from './persistent-device.ts';

const KILLS = 12;
const NUMBERS = 900;
const onRedis = redisServerAvailable() ? describe : describe.skip;

onRedis('a gateway process that is killed', () => {
  let redis: RedisServerForTest;
  let gateway: GatewayProcess | null = null;
  beforeEach(async () => {
    redis = await startRedisServer();
  });
  afterEach(async () => {
    await gateway?.kill();
    await redis.stop();
  });

  it('loses nothing that it acknowledged, and what is sent again is in the log once', async () => {
    const connection = await connectRedis(redis.url);
    const registry = new RedisDeviceRegistry(connection);
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids)
      await registry.createDevice('default' as TenantId, id as DeviceId, hashOfToken(`token-${id}`), 1);
    const port = await freePort();
    gateway = await GatewayProcess.start(redis.url, port);
    const devices = ids.map((id) => new PersistentDevice(id, () => port));
    const runs = Promise.all(devices.map((device) => device.run(NUMBERS, 16)));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const enough = (kill * NUMBERS) / (KILLS + 1);
      await until(`enough before kill ${kill}`, () => devices.every(({ acknowledged }) => acknowledged.size >= enough));
      await gateway.kill();
      gateway = await GatewayProcess.start(redis.url, port);
    }
    await runs;
    const laneBytesMax = { control: 1, telemetry: 1 };
    const log = new RedisEventLog({ redis: connection, laneBytesMax, frameBytesMax: 1 });
    const records = await recordsOfLane(log, 'telemetry');
    for (const id of ids) {
      const numbers = records.flatMap(({ device, message }) =>
        device === id && message.kind === 'telemetry' ? [message.points[0]?.values.get('n')] : [],
      );
      expect(numbers).toEqual(Array.from({ length: NUMBERS }, (_, index) => index + 1));
    }
    log.close();
    connection.disconnect();
  });
});

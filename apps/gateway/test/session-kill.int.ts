import {
  connectRedis,
  RedisDeviceRegistry,
  RedisDownlinkChannel,
  RedisEventLog,
  RedisSessionDirectory,
} from '@breakwater/adapter-redis';
import { type RedisServerForTest, redisServerAvailable, startRedisServer } from '@breakwater/adapter-redis/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type DeviceId, deviceKey, type Epoch, type TenantId } from '@breakwater/twin';

import { hashOfToken } from '../src/identity/device-tokens.ts';
import { ExactlyOnceDevice } from './exactly-once-device.ts';
import { partitionOfDevice, recordsOfLane, until } from './gateway-fixture.ts';
import { GatewayProcess } from './gateway-process.ts';
import { RawClient } from './raw-client.ts';

const TENANT = 'default' as TenantId;
const KEY = deviceKey(TENANT, 'd1' as DeviceId);
const PARTITION = partitionOfDevice(KEY);
const KEPT = { protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 600 } } as const;
const KILLS = 8;
const MESSAGES = 400;
const WINDOW = 8;
const onRedis = redisServerAvailable() ? describe : describe.skip;

onRedis('a session whose gateway is killed', () => {
  let redis: RedisServerForTest;
  let connection: Awaited<ReturnType<typeof connectRedis>>;
  /** The first one has the device. */
  let gateways: GatewayProcess[] = [];
  beforeEach(async () => {
    redis = await startRedisServer();
    connection = await connectRedis(redis.url);
    await new RedisDeviceRegistry(connection).createDevice(TENANT, 'd1' as DeviceId, hashOfToken('token-d1'), 1);
    gateways = await Promise.all([GatewayProcess.start(redis.url), GatewayProcess.start(redis.url)]);
  });
  afterEach(async () => {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    connection.disconnect();
    await redis.stop();
  });
  const port = (): number => gateways[0]!.port;
  /** The other one has the device now, and a new one takes the place of the one that is dead. */
  const killAndMove = async (): Promise<void> => {
    const killed = gateways.shift()!;
    await killed.kill();
    gateways.push(await GatewayProcess.start(redis.url, killed.port));
  };
  const resume = async (): Promise<RawClient> => {
    const client = await RawClient.connect(port(), 'd1', KEPT);
    expect(client.sessionPresent).toBe(true);
    return client;
  };
  const countRecords = async (): Promise<number> => {
    const laneBytesMax = { control: 1, telemetry: 1 };
    const log = new RedisEventLog({ redis: connection, laneBytesMax, frameBytesMax: 1 });
    const records = await recordsOfLane(log, 'telemetry');
    log.close();
    return records.length;
  };

  it('has each QoS 2 message in the log once, wherever in its handshake the gateway was killed', async () => {
    const device = new ExactlyOnceDevice('d1', port);
    const run = device.run(MESSAGES, WINDOW);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await until(`enough before kill ${kill}`, () => device.completed >= (kill * MESSAGES) / (KILLS + 1));
      await killAndMove();
    }
    await run;
    expect(device.sessionsLost).toBe(0);
    expect(await countRecords()).toBe(MESSAGES);
  });

  it('goes on where each side knows that the other is, in the QoS 2 handshake of its device', async () => {
    const first = await RawClient.connect(port(), 'd1', KEPT);
    first.publish(5, '{"n":1}', { qos: 2 });
    await first.hears('pubrec 5');
    await killAndMove();
    // PUBREC was lost on the way to the device.
    const second = await resume();
    second.publish(5, '{"n":1}', { qos: 2, dup: true });
    await second.hears('pubrec 5');
    second.send({ cmd: 'pubrel', messageId: 5 });
    await second.hears('pubcomp 5');
    await killAndMove();
    // So was PUBCOMP.
    const third = await resume();
    third.send({ cmd: 'pubrel', messageId: 5 });
    await third.hears('pubcomp 5 0x92');
    expect(await countRecords()).toBe(1);
    // The next message looks the same, and its first copy never came.
    third.publish(5, '{"n":1}', { qos: 2, dup: true });
    await third.hears('pubrec 5');
    expect(await countRecords()).toBe(2);
    third.drop();
  });

  it('gives its device each QoS 2 message once, wherever in its handshake the gateway was killed', async () => {
    const directory = new RedisSessionDirectory(connection);
    const channel = new RedisDownlinkChannel({ redis: connection, noticesMax: 10, bytesMax: 100_000 });
    const first = await RawClient.connect(port(), 'd1', KEPT);
    first.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'v1/devices/me/#', qos: 2 }] });
    await first.hears('suback 1');
    const [entry] = await directory.find(PARTITION, [KEY]);
    const target = { partition: PARTITION, key: KEY, sessionEpoch: entry!.sessionEpoch, epoch: '1:a' as Epoch };
    const content = { outboxId: 'a', twinVersion: 1, topic: 'twin/desired', qos: 2, payload: '{}' } as const;
    await channel.send(entry!.gatewayId, [{ kind: 'downlink', downlink: { ...target, ...content } }]);
    await first.hears('publish 1');
    await killAndMove();
    const second = await resume();
    await second.hears('publish 1 dup');
    second.send({ cmd: 'pubrec', messageId: 1 });
    await second.hears('pubrel 1');
    await killAndMove();
    const third = await resume();
    await third.hears('pubrel 1');
    third.send({ cmd: 'pubcomp', messageId: 1 });
    third.send({ cmd: 'pingreq' });
    await third.hears('pingresp');
    await killAndMove();
    const fourth = await resume();
    fourth.send({ cmd: 'pingreq' });
    await fourth.hears('pingresp');
    for (const client of [third, fourth])
      expect(client.heard().filter((heard) => heard.startsWith('publish'))).toEqual([]);
    fourth.drop();
    channel.close();
  });
});

import { connect, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

const SLOW_SOCKETS = 2_000;
const HUGE_LENGTH = [0xff, 0xff, 0xff, 0x7f];
const TOO_LARGE = 0x95;

interface OpenSocket {
  readonly socket: Socket;
  closed: boolean;
}

function openSocket(port: number): Promise<OpenSocket> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const opened = { socket, closed: false };
    socket.on('connect', () => resolve(opened));
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => {
      opened.closed = true;
      resolve(opened);
    });
  });
}

describe('sockets that mean no good', () => {
  let gateway: GatewayFixture;
  const cleanups: (() => void)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanups.splice(0)) cleanUp();
    await gateway.stop();
  });

  it(`${SLOW_SOCKETS} that send a byte now and then are closed, and a new client connects meanwhile`, async () => {
    // The default is 10 s, and the bytes would come each 5 s: the same, five times as fast.
    gateway = await startFixture({ settings: { connectTimeoutMs: 2_000 } });
    await gateway.addDevice('good');
    const slow = await Promise.all(Array.from({ length: SLOW_SOCKETS }, () => openSocket(gateway.ports.mqtt)));
    // The beginning of a good CONNECT.
    const bytes = Buffer.from([0x10, 0x20, 0x00, 0x04, 0x4d, 0x51, 0x54, 0x54, 0x04]);
    let at = 0;
    const dribble = setInterval(() => {
      const byte = bytes.subarray(at % bytes.length, (at % bytes.length) + 1);
      for (const { socket, closed } of slow) if (!closed) socket.write(byte);
      at += 1;
    }, 1_000);
    cleanups.push(
      () => clearInterval(dribble),
      () => slow.forEach(({ socket }) => socket.destroy()),
    );
    const good = await RawClient.open(gateway.ports.mqtt, 'good');
    expect(good.accepted).toBe(true);
    expect(slow.filter(({ closed }) => closed)).toHaveLength(0);
    good.publish(1, '{"a":1}');
    expect(await good.acknowledgements(1)).toEqual([1]);
    await until('all of them to be closed', () => slow.every(({ closed }) => closed));
    expect(good.closed).toBe(false);
    expect(await gateway.metrics.text()).toMatch(
      new RegExp(`mqtt_closes_total\\{reason="connectTimeout".*\\} ${SLOW_SOCKETS}\n`),
    );
    good.drop();
  });

  it('that announce 256 MiB get neither memory nor patience', async () => {
    gateway = await startFixture();
    await gateway.addDevice('huge');
    const before = process.memoryUsage().arrayBuffers;
    const strangers = await Promise.all(Array.from({ length: 100 }, () => openSocket(gateway.ports.mqtt)));
    for (const { socket } of strangers) socket.write(Buffer.from([0x10, ...HUGE_LENGTH]));
    cleanups.push(() => strangers.forEach(({ socket }) => socket.destroy()));
    const device = await RawClient.open(gateway.ports.mqtt, 'huge', 5);
    device.sendBytes(Buffer.from([0x32, ...HUGE_LENGTH]));
    await until('the end of all', () => device.closed && strangers.every(({ closed }) => closed));
    expect(device.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: TOO_LARGE });
    // 101 connections of 16 KiB at most, far below one of the announced packets.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  });

  it('that flood leave their neighbour its answers', async () => {
    gateway = await startFixture({ settings: { publishesPerSecondMax: 1_000_000 } });
    for (const id of ['flood', 'neighbour']) await gateway.addDevice(id);
    const flood = await RawClient.open(gateway.ports.mqtt, 'flood');
    const neighbour = await RawClient.open(gateway.ports.mqtt, 'neighbour');
    const FLOOD = 20_000;
    for (let count = 1; count <= FLOOD; count += 1) flood.publish(((count - 1) % 65_535) + 1, '{"a":1}', { qos: 1 });
    const floodSeen: number[] = [];
    for (let messageId = 1; messageId <= 20; messageId += 1) {
      neighbour.publish(messageId, '{"b":1}');
      await neighbour.acknowledgements(messageId);
      floodSeen.push(flood.acknowledged().length);
    }
    // All of the neighbour's messages, one after the other, were answered before the flood was through.
    expect(floodSeen.at(-1)).toBeLessThan(FLOOD);
    await flood.acknowledgements(FLOOD);
    expect(flood.closed).toBe(false);
    flood.drop();
    neighbour.drop();
  });

  const LONGEST = 65_535;
  const topics: readonly (readonly [string, Buffer])[] = [
    ['no bytes', Buffer.alloc(0)],
    ['65,535 bytes', Buffer.alloc(LONGEST, 'a')],
    ['65,535 bytes of slashes', Buffer.alloc(LONGEST, '/')],
    ['U+0000', Buffer.from('v1/devices/me/\0telemetry')],
    ['`#`', Buffer.from('v1/devices/me/#')],
    ['`+`', Buffer.from('v1/devices/+/telemetry')],
    ['100 levels', Buffer.from('v1/devices/me'.padEnd(13 + 2 * 97, '/a'))],
    ['$SYS', Buffer.from('$SYS/broker/version')],
    ['invalid UTF-8', Buffer.from([0x76, 0x31, 0xc0, 0xaf])],
  ];
  it.each(topics)('topic of %s: no message of it gets through', async (_what, topic) => {
    gateway = await startFixture();
    await gateway.addDevice('odd');
    for (const version of [4, 5] as const) {
      const client = await RawClient.open(gateway.ports.mqtt, 'odd', version);
      client.sendBytes(publishBytes(topic, version));
      await until('an answer', () => client.closed || client.acknowledged().length > 0);
      const answer = client.packets.at(-1);
      if (version === 5) expect(answer?.cmd).toMatch(/^(disconnect|puback)$/);
      if (version === 5) expect((answer as { reasonCode?: number }).reasonCode).toBeGreaterThanOrEqual(0x80);
      client.drop();
    }
    const kinds = (await gateway.recordsOf('odd')).map(({ message }) => message.kind);
    expect(kinds.filter((kind) => !['sessionOpened', 'sessionClosed', 'deadLetter'].includes(kind))).toEqual([]);
  });
});

function publishBytes(topic: Buffer, version: 4 | 5): Buffer {
  const body = Buffer.concat([
    Buffer.from([topic.length >> 8, topic.length & 0xff]),
    topic,
    Buffer.from([0, 1, ...(version === 5 ? [0] : [])]),
    Buffer.from('{}'),
  ]);
  const length: number[] = [];
  for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([0x32, ...length]), body]);
}

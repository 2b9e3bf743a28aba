import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectAsync, type MqttClient } from 'mqtt';

import { HarnessServer } from '../src/mqtt-harness/harness-server.ts';
import { toSuiteProfile } from '../src/mqtt-harness/suite-profile.ts';
import { sourceEntries } from '../src/mqtt-harness/suites/debian-sources.ts';
import { readScriptList } from '../src/mqtt-harness/suites/mosquitto-scripts.ts';
import { topicMatches } from '../src/mqtt-harness/topic-match.ts';

const server = new HarnessServer({ port: 0, profile: 'engine' });
let port = 0;

beforeAll(async () => {
  port = await server.listen();
});

afterAll(async () => {
  await server.close();
});

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** A client of MQTT.js and what it has heard: topic, payload, quality and the retain flag. */
async function listener(clientId: string, clean = true): Promise<{ client: MqttClient; heard: string[] }> {
  const heard: string[] = [];
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, clean, reconnectPeriod: 0 }, false);
  client.on('message', (topic, payload, { qos, retain }) => {
    heard.push(`${topic} ${payload.toString()} ${qos}${retain ? ' retained' : ''}`);
  });
  return { client, heard };
}

describe('the harness is a small broker', () => {
  it('brings a message once to each who subscribed, with the lower of both qualities', async () => {
    const { client: publisher } = await listener('publisher');
    const both = await listener('both');
    const low = await listener('low');
    await both.client.subscribeAsync({ 'fan/+': { qos: 1 }, 'fan/#': { qos: 2 } });
    await low.client.subscribeAsync('fan/out', { qos: 0 });
    await publisher.publishAsync('fan/out', 'message', { qos: 2 });
    await until('both have it', () => both.heard.length > 0 && low.heard.length > 0);
    expect([both.heard, low.heard]).toEqual([['fan/out message 2'], ['fan/out message 0']]);
    await Promise.all([publisher, both.client, low.client].map((client) => client.endAsync()));
  });

  it('keeps the last retained message of a topic until it is cleared', async () => {
    const { client } = await listener('retainer');
    for (const payload of ['first', 'last']) await client.publishAsync('kept', payload, { qos: 1, retain: true });
    const early = await listener('early');
    await early.client.subscribeAsync('kept', { qos: 1 });
    await until('the retained message', () => early.heard.length > 0);
    await client.publishAsync('kept', '', { qos: 1, retain: true });
    const late = await listener('late');
    await late.client.subscribeAsync(['kept', 'barrier'], { qos: 1 });
    await client.publishAsync('barrier', 'now', { qos: 1 });
    await until('the barrier', () => late.heard.length > 0);
    expect([early.heard[0], late.heard]).toEqual(['kept last 1 retained', ['barrier now 1']]);
    await Promise.all([client, early.client, late.client].map((each) => each.endAsync()));
  });

  it('keeps messages for a session that lasts', async () => {
    const away = await listener('away', false);
    await away.client.subscribeAsync('offline', { qos: 2 });
    await away.client.endAsync();
    const { client } = await listener('sender');
    for (const number of [1, 2, 3]) await client.publishAsync('offline', `m${number}`, { qos: 2 });
    const back = await listener('away', false);
    await until('three messages', () => back.heard.length === 3);
    expect(back.heard).toEqual(['offline m1 2', 'offline m2 2', 'offline m3 2']);
    await Promise.all([client, back.client].map((each) => each.endAsync()));
  });

  it.each([
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/+', 'a', false],
    ['+/b', 'a/b', true],
    ['+', 'a/b', false],
    ['#', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['a', 'A', false],
  ])('%s means %s: %s', (filter, topic, matches) => expect(topicMatches(filter, topic)).toBe(matches));
});

/** What firmware on a small chip does: MQTT 3.1.1, one buffer of 256 bytes, one packet at a time, QoS 0 and 1. */
class SmallClient {
  static readonly BUFFER_BYTES = 256;
  readonly #socket: Socket;
  readonly #buffer = Buffer.alloc(SmallClient.BUFFER_BYTES);
  #filled = 0;

  constructor() {
    this.#socket = createConnection({ host: '127.0.0.1', port });
    this.#socket.on('data', (bytes) => {
      if (this.#filled + bytes.length > this.#buffer.length) this.#socket.destroy(new Error('buffer too small'));
      else this.#filled += bytes.copy(this.#buffer, this.#filled);
    });
  }

  send(first: number, body: readonly number[]): void {
    this.#socket.write(Buffer.from([first, body.length, ...body]));
  }

  /** The next packet, in hexadecimal. Its length is one byte, as it is on such a chip. */
  async next(): Promise<string> {
    const isWhole = (): boolean => this.#filled >= 2 && this.#filled >= 2 + (this.#buffer[1] as number);
    await until('a packet', isWhole);
    const length = 2 + (this.#buffer[1] as number);
    const packet = this.#buffer.toString('hex', 0, length);
    this.#buffer.copyWithin(0, length, this.#filled);
    this.#filled -= length;
    return packet;
  }

  close(): void {
    this.#socket.destroy();
  }
}

const text = (value: string): number[] => [0, value.length, ...Buffer.from(value)];

it('a client of 3.1.1 with a buffer of 256 bytes gets through a whole session', async () => {
  const chip = new SmallClient();
  chip.send(0x10, [...text('MQTT'), 4, 2, 0, 15, ...text('chip')]);
  expect(await chip.next()).toBe('20020000');
  chip.send(0x82, [0, 1, ...text('chip/in'), 1]);
  expect(await chip.next()).toBe('9003000101');
  for (let id = 2; id < 50; id += 1) {
    chip.send(0x32, [...text('chip/out'), 0, id, ...Buffer.from(`{"t":${id}}`)]);
    expect(await chip.next()).toBe(`400200${id.toString(16).padStart(2, '0')}`);
  }
  chip.send(0xc0, []);
  expect(await chip.next()).toBe('d000');
  const { client } = await listener('console');
  await client.publishAsync('chip/in', 'on', { qos: 1 });
  expect(await chip.next()).toBe(
    `320d${Buffer.from(text('chip/in')).toString('hex')}0001${Buffer.from('on').toString('hex')}`,
  );
  chip.send(0x40, [0, 1]);
  chip.send(0xe0, []);
  await client.endAsync();
  chip.close();
});

describe('what the suites need', () => {
  it('a CONNACK with two properties in their order, and with what the client must know', () => {
    const connack = '2017000014' + '210014' + '220010' + '2700100000' + '130078' + '120003616263';
    const expected = '201200000f' + '22000a' + '130078' + '120003616263' + '210014';
    expect(toSuiteProfile(Buffer.from(connack, 'hex')).toString('hex')).toBe(expected);
  });

  it.each([
    ['e020821d1f001a' + Buffer.from('not the answer to this message').toString('hex'), ''],
    ['e00d820b1f0008' + Buffer.from('bad idea').toString('hex'), 'e00182'],
    ['e010820e1f000b' + Buffer.from('packet id 0').toString('hex'), 'e00181'],
    ['700400019200', '70020001'],
  ])('the reasons of the broker', (said, expected) => {
    const bytes = Buffer.from(said, 'hex');
    bytes[1] = bytes.length - 2;
    expect(toSuiteProfile(bytes).toString('hex')).toBe(expected);
  });

  it('a list in which every failure has a reason, and four in five pass at least', () => {
    const listed = readScriptList(readFileSync(new URL('mosquitto-scripts.txt', import.meta.url), 'utf8'));
    const passing = listed.filter(({ expected }) => expected === 'pass');
    expect(new Set(listed.map(({ name }) => name)).size).toBe(listed.length);
    expect(passing.length / listed.length).toBeGreaterThanOrEqual(0.8);
    expect(() => readScriptList('fail 1 a.py')).toThrow('a reason for each failure');
  });

  it('fetches sources from where the machine gets its packages', () => {
    const files = new Map([
      ['debian.sources', 'Types: deb\nURIs: http://mirror.example/debian\nSuites: stable\n'],
      ['sources.list', '# deb is said here\ndeb http://mirror.example/debian stable main\n'],
      ['empty.list', ''],
    ]);
    expect([...sourceEntries(files)]).toEqual([
      ['debian.sources', 'Types: deb-src\nURIs: http://mirror.example/debian\nSuites: stable\n'],
      ['sources.list', '# deb is said here\ndeb-src http://mirror.example/debian stable main\n'],
    ]);
  });
});

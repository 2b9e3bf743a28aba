import { describe, expect, it } from '@jest/globals';
import {
  createMqttEndpoint,
  type ConnectionInput,
  type EndpointHost,
  type EndpointLimits,
} from '@breakwater/mqtt-endpoint';
import { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import { EngineUnderFuzz, type EndpointMaker } from '../src/mqtt-fuzz/engine-under-fuzz.ts';
import { fuzzCase, type FuzzCase } from '../src/mqtt-fuzz/fuzz-case.ts';
import { FuzzHost } from '../src/mqtt-fuzz/fuzz-host.ts';
import { FuzzTransport } from '../src/mqtt-fuzz/fuzz-transport.ts';
import {
  connect,
  field,
  packet,
  properties,
  publish,
  subscribe,
  uint16,
  userProperty,
} from '../src/mqtt-fuzz/packet-builder.ts';
import { plantBug } from '../src/mqtt-fuzz/planted-bugs.ts';
import { readRecordings } from '../src/mqtt-fuzz/recordings.ts';
import { HANG_MS, runFuzz } from '../src/mqtt-fuzz/run-fuzz.ts';

const PACKETS = 20_000;
const TIMEOUT_MS = 300_000;
/** The planted one never ends, so nothing is won by waiting long for it. */
const PLANTED_HANG_MS = 3_000;
const recordings = readRecordings();

describe('the engine under attacks', () => {
  it(
    `survives ${PACKETS} packets`,
    async () => {
      const seed = 20_261_122;
      const { summary, complaint } = await runFuzz({
        seed,
        packets: PACKETS,
        firstCase: 0,
        bug: null,
        hangMs: HANG_MS,
      });
      expect(complaint).toBeNull();
      expect(summary?.packets).toBeGreaterThanOrEqual(PACKETS);
    },
    TIMEOUT_MS,
  );

  it('are the same for the same seed and number', () => {
    const login = { clientId: 'a', username: 'b' };
    const cases = [1, 1, 2].map((seed) => JSON.stringify(fuzzCase(recordings, seed, 77, login)));
    expect([cases[0] === cases[1], cases[0] === cases[2]]).toEqual([true, false]);
  });

  it('come from the sessions of real clients', () => {
    const clients = new Set(recordings.map(({ client }) => client.replace(/^(?:device|harness)-|-\d$/g, '')));
    expect([...clients].sort()).toEqual(['mosquitto', 'mqttjs', 'paho-go', 'paho-python', 'small']);
    expect(new Set(recordings.map(({ version }) => version))).toEqual(new Set([3, 4, 5]));
  });
});

describe('a planted bug is found', () => {
  it.each([
    ['throws', 'notify is not a function'],
    ['leaks', 'the heap grew by'],
    ['hangs', 'no end after'],
  ] as const)(
    'that %s',
    async (bug, sign) => {
      const { complaint } = await runFuzz({ seed: 5, packets: PACKETS, firstCase: 0, bug, hangMs: PLANTED_HANG_MS });
      expect(complaint).toContain(sign);
      expect(complaint).toMatch(/seed 5/);
      if (bug === 'throws' || bug === 'hangs') expect(complaint).toContain(Buffer.from('constructor').toString('hex'));
    },
    TIMEOUT_MS,
  );
});

const WORD = 65_535;
/** Input that can be made as large as one likes, each for another loop of the engine. */
const families: readonly (readonly [string, (size: number) => readonly Buffer[]])[] = [
  ['many small packets at once', (size) => [Buffer.concat(Array.from({ length: size / 2 }, () => packet(0xc0)))]],
  ['one packet byte by byte', (size) => [...publish(5, { topic: 't', payload: Buffer.alloc(size) })].map(oneByte)],
  ['levels of a topic', (size) => [publish(5, { topic: '/'.repeat(Math.min(size, WORD)) })]],
  ['user properties', (size) => [publish(5, { topic: 't', properties: many(size / 8, () => userProperty('a', 'b')) })]],
  [
    'filters',
    (size) => [
      subscribe(
        5,
        1,
        Array.from({ length: size / 8 }, (_, at) => `a/${at}`),
      ),
    ],
  ],
  [
    'the same filter',
    (size) => [
      subscribe(
        5,
        1,
        Array.from({ length: size / 8 }, () => 'a/b'),
      ),
    ],
  ],
  ['filters to leave', (size) => [packet(0xa2, uint16(1), properties(5), ...many(size / 5, () => field('a/b')))]],
  [
    'messages at once',
    (size) => [Buffer.concat(many(size / 32, () => publish(4, { topic: 'v1/devices/me/t', qos: 0 })))],
  ],
];

function oneByte(byte: number): Buffer {
  return Buffer.from([byte]);
}

function many(count: number, make: () => Buffer): Buffer[] {
  return Array.from({ length: count }, make);
}

/** So wide that nothing is cut short. */
const LIMITS: EndpointLimits = {
  packetBytesMax: 1_048_576,
  connectTimeoutMs: 10_000,
  keepaliveSecondsMax: 65_535,
  connectionsMax: 10,
  receiveMax: 65_535,
  inboundBytesMax: 67_108_864,
  outboundQueueMax: 10,
  outboundBytesMax: 1_000_000,
  subscriptionsMax: 100_000,
  topicAliasMax: 10,
  publishesPerSecondMax: 10_000_000,
};

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const SMALL = 8_192;
const FACTOR = 8;
/** Between what is linear (8) and what is quadratic (64), with room for a busy machine. */
const RATIO_MAX = 32;
const REPEATS = 7;

/** CPU time of the engine for this input, the least of some runs. */
function costOf(make: EndpointMaker, pieces: readonly Buffer[]): Promise<number> {
  return Array.from({ length: REPEATS }).reduce<Promise<number>>(async (least) => {
    const before = await least;
    const { input, settle } = await connectedInput(make);
    const start = process.cpuUsage();
    for (const bytes of pieces) input.receive(bytes);
    await settle();
    const { user, system } = process.cpuUsage(start);
    input.transportClosed();
    return Math.min(before, user + system);
  }, Promise.resolve(Number.POSITIVE_INFINITY));
}

async function connectedInput(
  make: EndpointMaker,
): Promise<{ input: ConnectionInput; transport: FuzzTransport; settle: () => Promise<void> }> {
  const host = new FuzzHost(new SeededRandom(1), 'steady');
  const endpoint = make({ host, limits: LIMITS, now: () => 0, observer: {} });
  const transport = new FuzzTransport({ reads: true, heard: null });
  const input = endpoint.accept(transport);
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) {
      host.answerAll();
      await nextTurn();
    }
  };
  input.receive(connect(5, { clientId: 'steady', username: 'steady' }));
  await settle();
  return { input, transport, settle };
}

async function ratioOf(make: EndpointMaker, pieces: (size: number) => readonly Buffer[]): Promise<number> {
  // The large input first: what is compiled meanwhile would be a large part of what the small one costs.
  const large = await costOf(make, pieces(SMALL * FACTOR));
  const small = await costOf(make, pieces(SMALL));
  // Below this, a clock that counts in microseconds shows little but noise.
  const floorUs = 300;
  return Math.max(large, floorUs) / Math.max(small, floorUs);
}

describe('work grows with the size of the input, and no faster', () => {
  it.each(families)(
    'with %s',
    async (_, pieces) => expect(await ratioOf(createMqttEndpoint, pieces)).toBeLessThan(RATIO_MAX),
    TIMEOUT_MS,
  );

  it(
    'which a planted quadratic loop does not',
    async () => {
      const [, pieces] = families[0] as (typeof families)[number];
      expect(await ratioOf(plantBug('quadratic'), pieces)).toBeGreaterThan(RATIO_MAX);
    },
    TIMEOUT_MS,
  );
});

describe('every split of a recorded session', () => {
  it(
    'gives the same answers',
    async () => {
      const answersTo = steadyEndpoint();
      for (const { packets } of recordings) {
        const bytes = Buffer.concat(packets);
        const whole = await answersTo([bytes]);
        for (let at = 1; at < bytes.length; at += 1) {
          const split = await answersTo([bytes.subarray(0, at), bytes.subarray(at)]);
          if (split !== whole) expect({ at, bytes: bytes.toString('hex'), split }).toEqual({ split: whole });
        }
      }
    },
    TIMEOUT_MS,
  );
});

/** An endpoint without moods; it answers what a connection that sends these pieces hears. */
function steadyEndpoint(): (pieces: readonly Buffer[]) => Promise<string> {
  const host: EndpointHost<string> = {
    authenticate: ({ clientId }) => Promise.resolve({ kind: 'accepted', identity: clientId, sessionKey: clientId }),
    sessionOpened: () => Promise.resolve(),
    publish: () => Promise.resolve({ kind: 'stored' }),
    maySubscribe: () => true,
    subscribed: () => undefined,
    sessionClosed: () => undefined,
  };
  const endpoint = createMqttEndpoint({ host, limits: LIMITS, now: () => 0, observer: {} });
  return async (pieces) => {
    const heard: Buffer[] = [];
    const input = endpoint.accept(new FuzzTransport({ reads: true, heard }));
    for (const bytes of pieces) input.receive(bytes);
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    input.transportClosed();
    // A client id that the server gives is another one each time.
    return heard.map((bytes) => bytes.toString('latin1').replace(/auto-[-0-9a-f]{36}/, 'auto')).join(' ');
  };
}

describe('a run in this process', () => {
  it('meets its neighbour and leaves nothing', async () => {
    const engine = new EngineUnderFuzz(9);
    const login = { clientId: 'fuzz', username: 'fuzz' };
    const cases: FuzzCase[] = Array.from({ length: 200 }, (_, number) => fuzzCase(recordings, 9, number, login));
    for (const attack of cases) await engine.run(attack);
    await engine.end();
  });
});

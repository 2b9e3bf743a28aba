import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

import { positiveNumber, readArguments } from '../command-line.ts';
import type { GeneratorCalls } from './generator-process.ts';
import { measurePairs, type Paired, type Spread } from './paired-ratio.ts';
import { RemoteProcess } from '../remote-process.ts';
import type { MemoryUse, ServerCalls, ServerKind } from './server-process.ts';

const DEFAULTS = {
  pairs: '6',
  messages: '200000',
  connects: '3000',
  idle: '5000',
  held: '10000',
  only: '',
  json: '',
} as const;

const CLIENTS = 200;
/** Messages that a client of the saturated run has on the way. */
const WINDOW = 10;
const PACED_PER_SECOND = 10_000;
const PACED_SECONDS = 4;
const CONNECTS_PER_SECOND = 1_000;
const HELD_SECONDS = 20;
const SESSION_EXPIRY_SECONDS = 3_600;
const POLL_MS = 50;
const KIB = 1024;
const MS_PER_SECOND = 1_000;
const MICROS_PER_MS = 1_000;

interface Server {
  readonly process: RemoteProcess<ServerCalls>;
  readonly port: number;
}

type Generator = RemoteProcess<GeneratorCalls>;

/** With and without sessions that outlive their connection. */
const VARIANTS = [
  { kind: 'engine', version: 4, title: 'engine, MQTT 3.1.1', sessionExpirySeconds: 0 },
  { kind: 'engine', version: 5, title: 'engine, MQTT 5', sessionExpirySeconds: 0 },
  {
    kind: 'engine-sessions',
    version: 4,
    title: 'engine with sessions, MQTT 3.1.1',
    sessionExpirySeconds: SESSION_EXPIRY_SECONDS,
  },
  {
    kind: 'engine-sessions',
    version: 5,
    title: 'engine with sessions, MQTT 5',
    sessionExpirySeconds: SESSION_EXPIRY_SECONDS,
  },
] as const;

interface MemoryPerItem {
  readonly residentKiB: number;
  readonly heapKiB: number;
  readonly externalKiB: number;
}

interface HeldResult {
  readonly connections: number;
  readonly acceptedPerSecond: number;
  readonly acknowledgedPerSecond: number;
  readonly cpuShare: number;
  readonly residentMiB: number;
}

/** The engine against the least that a server on the same codec can do, over real sockets, each in its own process. */
export async function runMqttBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const number = (name: Exclude<keyof typeof DEFAULTS, 'json' | 'only'>): number => positiveNumber(name, args[name]);
  const wanted = new Set(args.only === '' ? ['publish', 'connect', 'memory', 'held'] : args.only.split(','));
  const pairs = number('pairs');
  const result: Record<string, unknown> = {};
  const gigabytes = Math.round(totalmem() / KIB ** 3);
  say(`${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${gigabytes} GB, Node ${process.version}\n`);
  if (wanted.has('publish')) result['publish'] = await publishCosts(pairs, number('messages'));
  if (wanted.has('connect')) result['connect'] = await connectCosts(pairs, number('connects'));
  if (wanted.has('memory')) result['memory'] = await memoryCosts(number('idle'));
  if (wanted.has('held')) result['held'] = await holdMany(number('held'));
  if (args.json !== '') await writeFile(args.json, `${JSON.stringify(result, null, 2)}\n`);
}

async function publishCosts(pairs: number, messages: number): Promise<Record<string, Paired>> {
  const results: Record<string, Paired> = {};
  say(`CPU per message, QoS 1, 200 B, ${CLIENTS} clients: engine, bare server, ratio of the pairs`);
  const loads: readonly { name: string; count: number; run: (generator: Generator) => Promise<number> }[] = [
    {
      name: `${WINDOW} on the way each`,
      count: messages,
      run: (generator) => generator.call('saturate', { messages, window: WINDOW }),
    },
    {
      name: `${PACED_PER_SECOND}/s`,
      count: PACED_PER_SECOND * PACED_SECONDS,
      run: (generator) => generator.call('pace', { perSecond: PACED_PER_SECOND, seconds: PACED_SECONDS }),
    },
  ];
  for (const { kind, version, title, sessionExpirySeconds } of VARIANTS) {
    await withBoth(kind, async (engine, bare) => {
      const clients = { clients: CLIENTS, version, subscribes: true, sessionExpirySeconds };
      const [ours, theirs] = [startGenerator(), startGenerator()];
      await ours.call('open', { ...clients, port: engine.port });
      await theirs.call('open', { ...clients, port: bare.port });
      for (const { name, count, run } of loads) {
        const paired = await measurePairs(pairs, {
          subject: () => cpuPer(engine, count, () => run(ours)),
          yardstick: () => cpuPer(bare, count, () => run(theirs)),
        });
        results[`${title}, ${name}`] = paired;
        sayPaired(`${title}, ${name}`, paired);
      }
      await Promise.all([ours.stop(), theirs.stop()]);
    });
  }
  return results;
}

async function connectCosts(pairs: number, connects: number): Promise<Record<string, Paired>> {
  const results: Record<string, Paired> = {};
  say('\nCPU per connection (CONNECT, CONNACK, DISCONNECT): engine, bare server, ratio of the pairs');
  for (const { kind, version, title, sessionExpirySeconds } of VARIANTS) {
    await withBoth(kind, async (engine, bare) => {
      const generator = startGenerator();
      const run = ({ port }: Server) => generator.call('cycle', { port, version, connects, sessionExpirySeconds });
      const paired = await measurePairs(pairs, {
        subject: () => cpuPer(engine, connects, () => run(engine)),
        yardstick: () => cpuPer(bare, connects, () => run(bare)),
      });
      results[title] = paired;
      sayPaired(title, paired);
      await generator.stop();
    });
  }
  return results;
}

async function memoryCosts(count: number): Promise<Record<string, MemoryPerItem>> {
  const results: Record<string, MemoryPerItem> = {};
  say(`\nmemory of one of ${count}, MQTT 5, one subscription: resident, heap, outside of the heap`);
  const order = { clients: count, subscribes: true, version: 5 } as const;
  const record = (name: string, before: MemoryUse, after: MemoryUse): void => {
    const per = (key: keyof MemoryUse): number => (after[key] - before[key]) / count / KIB;
    results[name] = { residentKiB: per('residentBytes'), heapKiB: per('heapBytes'), externalKiB: per('externalBytes') };
    const { residentKiB, heapKiB, externalKiB } = results[name];
    say(`  ${name.padEnd(52)}${[residentKiB, heapKiB, externalKiB].map((kib) => `${kib.toFixed(1)} KiB`).join(', ')}`);
  };
  for (const kind of ['engine', 'engine-sessions', 'bare'] as const) {
    await withServer(kind, async (server) => {
      const generator = startGenerator();
      const sessionExpirySeconds = kind === 'engine-sessions' ? SESSION_EXPIRY_SECONDS : 0;
      // What the first connections bring with them, such as compiled code, is not theirs.
      const port = server.port;
      await generator.call('open', { clients: CLIENTS, subscribes: true, version: 5, port, sessionExpirySeconds: 0 });
      await generator.call('close');
      const before = await server.process.call('memory');
      await generator.call('open', { ...order, port, sessionExpirySeconds });
      record(`${kind}: idle connection`, before, await server.process.call('memory'));
      if (kind === 'engine-sessions') {
        await generator.call('cut');
        await closed(server, 0);
        record(`${kind}: session without its connection`, before, await server.process.call('memory'));
      }
      await generator.stop();
    });
  }
  return results;
}

/** Many connections that do nothing, while some work and others come and go. */
async function holdMany(connections: number): Promise<Record<string, HeldResult>> {
  const results: Record<string, HeldResult> = {};
  say(
    `\n${connections} idle connections, ${PACED_PER_SECOND} events/s and ${CONNECTS_PER_SECOND} connects/s, ${HELD_SECONDS} s`,
  );
  for (const kind of ['engine', 'bare'] as const) {
    await withServer(kind, async (server) => {
      const { port } = server;
      const [idle, busy, coming] = [startGenerator(), startGenerator(), startGenerator()];
      const order = { version: 5, port, subscribes: true, sessionExpirySeconds: 0 } as const;
      await idle.call('open', { ...order, clients: connections });
      await busy.call('open', { ...order, clients: CLIENTS });
      const target = { version: 5, port } as const;
      const events = PACED_PER_SECOND * HELD_SECONDS;
      const before = await server.process.call('cpuMicros');
      const startMs = performance.now();
      const [pacedMs, acceptedPerSecond] = await Promise.all([
        busy.call('pace', { perSecond: PACED_PER_SECOND, seconds: HELD_SECONDS }),
        coming.call('churn', { ...target, perSecond: CONNECTS_PER_SECOND, seconds: HELD_SECONDS }),
      ]);
      const micros = (await server.process.call('cpuMicros')) - before;
      const held = await server.process.call('connections');
      const { residentBytes } = await server.process.call('memory');
      const measured: HeldResult = {
        connections: held,
        acceptedPerSecond,
        acknowledgedPerSecond: (events * MS_PER_SECOND) / pacedMs,
        cpuShare: micros / ((performance.now() - startMs) * MICROS_PER_MS),
        residentMiB: residentBytes / KIB / KIB,
      };
      results[kind] = measured;
      say(
        `  ${kind.padEnd(20)}${measured.connections} held, ${measured.acceptedPerSecond.toFixed(0)} connects/s, ` +
          `${measured.acknowledgedPerSecond.toFixed(0)} events/s, ${(measured.cpuShare * 100).toFixed(0)} % of a core, ` +
          `${measured.residentMiB.toFixed(0)} MiB`,
      );
      await Promise.all([idle.stop(), busy.stop(), coming.stop()]);
    });
  }
  return results;
}

async function cpuPer(server: Server, count: number, run: () => Promise<number>): Promise<number> {
  const before = await server.process.call('cpuMicros');
  await run();
  return ((await server.process.call('cpuMicros')) - before) / count;
}

async function closed(server: Server, count: number): Promise<void> {
  while ((await server.process.call('connections')) > count) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function withBoth(kind: ServerKind, work: (measured: Server, yardstick: Server) => Promise<void>): Promise<void> {
  await withServer(kind, (measured) => withServer('bare', (yardstick) => work(measured, yardstick)));
}

async function withServer(kind: ServerKind, work: (server: Server) => Promise<void>): Promise<void> {
  const path = fileURLToPath(new URL('../../dist/mqtt/server-process.js', import.meta.url));

  const server = new RemoteProcess<ServerCalls>(path, { args: [kind], nodeArgs: ['--expose-gc'] });
  try {
    await work({ process: server, port: await server.call('listen') });
  } finally {
    await server.stop();
  }
}

function startGenerator(): Generator {
  return new RemoteProcess<GeneratorCalls>(
    fileURLToPath(new URL('../../dist/mqtt/generator-process.js', import.meta.url)),
  );
}

function sayPaired(name: string, { subject, yardstick, ratio }: Paired): void {
  const micros = ({ median }: Spread): string => `${median.toFixed(1)} µs`.padStart(10);
  const spread = `${ratio.min.toFixed(2)} / ${ratio.median.toFixed(2)} / ${ratio.max.toFixed(2)}`;
  say(`  ${name.padEnd(52)}${micros(subject)}${micros(yardstick)}   ${spread}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

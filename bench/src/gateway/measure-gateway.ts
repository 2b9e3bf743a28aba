import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { LatencyHistogram } from '../latency-histogram.ts';
import { RemoteProcess } from '../remote-process.ts';
import type { StormGeneratorCalls } from '../storm/load/generator-process.ts';
import { GatewayInstallation } from './gateway-installation.ts';

const SETTLE_TIMEOUT_MS = 60_000;
const TICKS_PER_SECOND = 100;
const MICROS_PER_SECOND = 1e6;

export interface GatewayRun {
  readonly devices: number;
  readonly eventsPerSecond: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly env: Readonly<Record<string, string>>;
  readonly nodeArguments: readonly string[];
  /** Where profiles go. */
  readonly profileDir: string;
}

/** CPU in microseconds per acknowledged event. */
export interface GatewayCost {
  readonly acknowledgedPerSecond: number;
  readonly userMicros: number;
  readonly systemMicros: number;
  readonly redisMicros: number;
  readonly generatorMicros: number;
  /** Readings and writings of all its sockets, as Linux counts them. */
  readonly readsPerEvent: number;
  readonly writesPerEvent: number;
  readonly eventsPerAppend: number;
  readonly pubackMs: { readonly p50: number; readonly p99: number };
  readonly unacknowledged: number;
  readonly disordered: number;
}

interface Cpu {
  readonly user: number;
  readonly system: number;
}

/** A fresh gateway on a fresh Redis, under an open loop of QoS 1 telemetry. */
export async function measureGateway(root: string, run: GatewayRun): Promise<GatewayCost> {
  const { env, nodeArguments, profileDir } = run;
  const installation = await GatewayInstallation.start(root, { env, nodeArguments, cwd: profileDir });
  const generator = new RemoteProcess<StormGeneratorCalls>(
    fileURLToPath(new URL('../../dist/storm/load/generator-process.js', import.meta.url)),
  );
  try {
    const logins = await installation.register(run.devices);
    await generator.call('open', { logins, host: '127.0.0.1', port: installation.mqttPort });
    const { eventsPerSecond } = run;
    await generator.call('run', { eventsPerSecond, seconds: run.warmUpSeconds });
    await generator.call('settle', SETTLE_TIMEOUT_MS);
    const pids = { gateway: installation.pids.get('gateway')!, redis: installation.pids.get('redis')! };
    const sample = async () => ({
      gateway: cpuOf(pids.gateway),
      calls: callsOf(pids.gateway),
      redis: cpuOf(pids.redis),
      generator: cpuOf(generator.pid),
      acknowledged: (await generator.call('progress')).acknowledged,
      appends: await installation.appends(),
      atMs: performance.now(),
    });
    const before = await sample();
    await generator.call('run', { eventsPerSecond, seconds: run.seconds });
    const unacknowledged = await generator.call('settle', SETTLE_TIMEOUT_MS);
    const after = await sample();
    const events = after.acknowledged - before.acknowledged;
    const micros = (ticks: number): number => (ticks * MICROS_PER_SECOND) / TICKS_PER_SECOND / events;
    const latency = new LatencyHistogram((await generator.call('latencies')).at(-1));
    return {
      acknowledgedPerSecond: (events * 1_000) / (after.atMs - before.atMs),
      userMicros: micros(after.gateway.user - before.gateway.user),
      systemMicros: micros(after.gateway.system - before.gateway.system),
      redisMicros: micros(sum(after.redis) - sum(before.redis)),
      generatorMicros: micros(sum(after.generator) - sum(before.generator)),
      readsPerEvent: (after.calls.reads - before.calls.reads) / events,
      writesPerEvent: (after.calls.writes - before.calls.writes) / events,
      eventsPerAppend: events / Math.max(1, after.appends - before.appends),
      pubackMs: { p50: latency.quantile(0.5), p99: latency.quantile(0.99) },
      unacknowledged,
      disordered: (await generator.call('progress')).disordered,
    };
  } finally {
    await generator.stop();
    await installation.stop();
  }
}

function sum({ user, system }: Cpu): number {
  return user + system;
}

function cpuOf(pid: number): Cpu {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command may hold spaces; the fields are counted from the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]), system: Number(fields[12]) };
}

function callsOf(pid: number): { readonly reads: number; readonly writes: number } {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8');
  const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(io)?.[1] ?? Number.NaN);
  return { reads: count('syscr'), writes: count('syscw') };
}

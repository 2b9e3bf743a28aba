import type { Installation } from '../installation.ts';
import { LatencyHistogram } from '../latency-histogram.ts';
import { PlatformClient } from '../platform-client.ts';
import { runLoad } from '../run-load.ts';
import type { DeviceLogin } from '../simulated-device.ts';

/** Filled above the wanted backlog, so that it is still there while commands are ordered. */
const FILL_FACTOR = 1.3;
const FILL_EVENTS_PER_SECOND = 20_000;
const FILL_SECONDS = 10;
const FILL_ROUNDS_MAX = 30;
const DEVICES = 100;
const SETTLE_TIMEOUT_MS = 120_000;
const POLL_MS = 100;
const ORDERS_MAX = 500;
const TWIN_WORKER = /^twin-worker/;

export interface BesideBacklog {
  /** Records that waited for their twins when the first command was ordered, and when the last one had ended. */
  readonly backlogFirst: number;
  readonly backlogLast: number;
  readonly commands: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface BacklogRun {
  readonly backlog: number;
  /** Orders one command and waits for its end. Answers how long that took. */
  readonly order: () => Promise<number>;
}

/**
 * Commands, one after the other, while so many telemetry records wait for their twins. The twin-workers stand still
 * until the backlog is there and work it off while commands are ordered; only commands that ended while it was still as
 * large count.
 */
export async function besideBacklog(installation: Installation, run: BacklogRun): Promise<BesideBacklog> {
  const client = new PlatformClient(installation);
  const logins = await client.registerDevices('bench-backlog', DEVICES);
  const parts = [...(await installation.parts())];
  const workers = parts.filter(([name]) => TWIN_WORKER.test(name)).map(([, { pid }]) => pid);
  for (const pid of workers) process.kill(pid, 'SIGSTOP');
  try {
    await fill(installation, { client, logins, backlog: run.backlog });
  } finally {
    for (const pid of workers) process.kill(pid, 'SIGCONT');
  }
  // Their shards have to be taken again first: that is what the outage of a worker costs, and no backlog.
  const { telemetryApplied } = await client.ledger();
  while ((await client.ledger()).telemetryApplied === telemetryApplied) await pause(POLL_MS);
  const latency = new LatencyHistogram();
  const backlogFirst = (await client.ledger()).twinLag;
  let backlogLast = backlogFirst;
  let maxMs = 0;
  let commands = 0;
  for (; commands < ORDERS_MAX; commands += 1) {
    const durationMs = await run.order();
    const { twinLag } = await client.ledger();
    if (twinLag < run.backlog) break;
    backlogLast = twinLag;
    latency.record(durationMs);
    maxMs = Math.max(maxMs, durationMs);
  }
  return { backlogFirst, backlogLast, commands, p50Ms: latency.quantile(0.5), p99Ms: latency.quantile(0.99), maxMs };
}

async function fill(
  { mqttPort }: Installation,
  { client, logins, backlog }: { client: PlatformClient; logins: readonly DeviceLogin[]; backlog: number },
): Promise<void> {
  for (let round = 0; round < FILL_ROUNDS_MAX; round += 1) {
    if ((await client.ledger()).twinLag >= backlog * FILL_FACTOR) return;
    await runLoad(
      {
        logins,
        host: '127.0.0.1',
        port: mqttPort,
        phases: [{ eventsPerSecond: FILL_EVENTS_PER_SECOND, seconds: FILL_SECONDS }],
        settleTimeoutMs: SETTLE_TIMEOUT_MS,
      },
      { started: () => undefined, connected: () => undefined, progress: () => undefined },
    );
  }
  throw new Error('the backlog does not come about: is the telemetry lane too small for it?');
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

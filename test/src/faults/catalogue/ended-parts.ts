import { pause, until } from '../../platform-steps.ts';
import type { FaultCase } from '../fault-case.ts';
import { lacksKafka } from '../fault-log.ts';
import { isAlive, type PlatformUnderFault } from '../platform-under-fault.ts';

/** Far longer than every lease. */
const STOPPED_MS = 30_000;
const STOPPED_LOAD_SECONDS = 38;
const KILLED_LOAD_SECONDS = 16;
/** Twins of a worker that is no more are elsewhere by then. */
const TAKEOVER_MS_MAX = 10_000;
const KEPT_DOWN_MS = 20_000;
const BETWEEN_KILLS_MS = 1_500;
const LOOK_AGAIN_MS = 100;
const WORKERS = 'twin-worker';
const ONE_WORKER = 'twin-worker-1';
const ONE_BROKER = { logs: ['kafka'], lacks: lacksKafka } as const;

/** Parts that are killed, stopped for a while, or restarted, alone and together. */
export const ENDED_PARTS: readonly FaultCase[] = [
  killed('gateway', ['F9'], { short: true }),
  killed(ONE_WORKER, ['F1'], { short: true, takeoverMaxMs: TAKEOVER_MS_MAX }),
  killed(WORKERS, ['F2']),
  killed('telemetry-writer', ['F30'], { short: true }),
  killed('api', ['F36']),
  killed('embedded-clickhouse', ['F28'], { short: true }),
  killed('redis', ['F16', 'F22'], { short: true }),
  killed('kafka', ['F16'], ONE_BROKER),
  stopped('kafka', ['F17'], ONE_BROKER),
  stopped('gateway', ['F9']),
  stopped(ONE_WORKER, ['F3'], { short: true, takeoverMaxMs: TAKEOVER_MS_MAX }),
  stopped(WORKERS, ['F3']),
  stopped('telemetry-writer', ['F30']),
  stopped('api', ['F36']),
  stopped('embedded-clickhouse', ['F28']),
  stopped('redis', ['F17']),
  {
    name: 'keep-down-twin-worker',
    title: 'every twin-worker is killed again and again for 20 s',
    lines: ['F2'],
    loadSeconds: 30,
    strike: (platform) => killOften(platform, WORKERS, { everyMs: LOOK_AGAIN_MS, forMs: KEPT_DOWN_MS }),
  },
  {
    name: 'kill-often-telemetry-writer',
    title: 'the writer is killed as often as it comes back, at any moment',
    lines: ['F30'],
    loadSeconds: 30,
    strike: (platform) => killOften(platform, 'telemetry-writer', { everyMs: BETWEEN_KILLS_MS, forMs: KEPT_DOWN_MS }),
  },
  {
    name: 'kill-supervisor',
    title: 'SIGKILL of the supervisor: its parts end with it; then it is started again',
    lines: ['F41'],
    loadSeconds: KILLED_LOAD_SECONDS,
    strike: async (platform) => {
      const pids = [...(await platform.installation.parts()).values()].map(({ pid }) => pid);
      process.kill(platform.installation.pid, 'SIGKILL');
      // The stores of a killed supervisor are ended by the next one, in their order.
      await platform.startAgain();
      const left = pids.filter((pid) => isAlive(pid)).length;
      if (left > 0) throw new Error(`${left} parts of the killed supervisor still run`);
      return undefined;
    },
  },
  {
    name: 'stop-supervisor',
    title: 'the supervisor is stopped for 30 s, and a worker killed meanwhile',
    lines: ['F1'],
    loadSeconds: STOPPED_LOAD_SECONDS,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    strike: async (platform) => {
      const { pid } = platform.installation;
      process.kill(pid, 'SIGSTOP');
      await platform.signal(ONE_WORKER, 'SIGKILL');
      await pause(STOPPED_MS);
      process.kill(pid, 'SIGCONT');
      return undefined;
    },
  },
  {
    name: 'power-loss',
    title: 'SIGKILL of every process at once, then a start on the same data',
    lines: ['F41'],
    short: true,
    loadSeconds: KILLED_LOAD_SECONDS,
    strike: async (platform) => {
      await platform.losePower();
      const startedAtMs = Date.now();
      await platform.startAgain();
      return `ready after ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`;
    },
  },
];

type Extra = Partial<Pick<FaultCase, 'short' | 'takeoverMaxMs' | 'logs' | 'lacks'>>;

function killed(part: string, lines: readonly string[], extra: Extra = {}): FaultCase {
  return {
    name: `kill-${part}`,
    title: `SIGKILL of ${part}`,
    lines,
    loadSeconds: KILLED_LOAD_SECONDS,
    ...extra,
    strike: async (platform) => {
      await platform.signal(part, 'SIGKILL');
      return undefined;
    },
  };
}

function stopped(part: string, lines: readonly string[], extra: Extra = {}): FaultCase {
  return {
    name: `stop-${part}`,
    title: `SIGSTOP of ${part} for ${STOPPED_MS / 1000} s, then SIGCONT`,
    lines,
    loadSeconds: STOPPED_LOAD_SECONDS,
    ...extra,
    strike: async (platform) => {
      await platform.signal(part, 'SIGSTOP');
      await pause(STOPPED_MS);
      await platform.signal(part, 'SIGCONT');
      return part.startsWith(WORKERS) ? refusedWrites(platform) : undefined;
    },
  };
}

/** How the resumed owners were told that they are none any more. */
async function refusedWrites(platform: PlatformUnderFault): Promise<string> {
  let stale = 0;
  let lost = 0;
  await until('the resumed owners to have let go', async () => {
    stale = await platform.metric(WORKERS, 'twin_commits_refused_total', 'STALE_EPOCH');
    lost = await platform.metric(WORKERS, 'twin_shard_ends_total', 'leaseLost');
    return stale + lost > 0;
  });
  return `STALE_EPOCH refused ${stale}, leases lost ${lost}`;
}

/** Ends a part and waits until the supervisor has started it again. */
export async function endsAndComesBack(
  platform: PlatformUnderFault,
  part: string,
  signal: NodeJS.Signals,
): Promise<void> {
  const [before] = await platform.pidsOf(part);
  await platform.signal(part, signal);
  await until(`${part} to be there again`, async () => {
    const running = (await platform.installation.parts()).get(part);
    return running !== undefined && running.pid !== before && Object.keys(running.ports).length > 0;
  });
}

async function killOften(
  platform: PlatformUnderFault,
  part: string,
  { everyMs, forMs }: { readonly everyMs: number; readonly forMs: number },
): Promise<string> {
  const killed = new Set<number>();
  const endMs = Date.now() + forMs;
  while (Date.now() < endMs) {
    for (const pid of await platform.pidsOf(part)) {
      if (killed.has(pid) || !isAlive(pid)) continue;
      process.kill(pid, 'SIGKILL');
      killed.add(pid);
    }
    await pause(everyMs * (0.5 + Math.random()));
  }
  return `${killed.size} kills`;
}

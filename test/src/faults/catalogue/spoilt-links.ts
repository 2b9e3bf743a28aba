import { pause } from '../../platform-steps.ts';
import type { FaultCase } from '../fault-case.ts';
import type { LinkManner } from '../link-proxy.ts';
import type { PlatformUnderFault } from '../platform-under-fault.ts';

/** Longer than the lease of a worker, and shorter than any part waits for an answer: what was held arrives late. */
const SHORT_CUT_MS = 12_000;
/** Longer than anybody waits for an answer: connections are given up. */
const LONG_CUT_MS = 30_000;
/** Until what was held has arrived and is answered. */
const ARRIVAL_MS = 3_000;
const CUT_LOAD_SECONDS = 24;
const LONG_CUT_LOAD_SECONDS = 40;
const TAKEOVER_MS_MAX = 10_000;
const LATENCY_MS = 500;
const LATENCY_SPREAD_MS = 250;
const LATENCY_FOR_MS = 25_000;
const RESET_EVERY_MS = 2_000;
const RESETS = 12;
const LATE_ANSWER_MS = 30_000;
const AWAY_MS = 300_000;
/** Of replies: enough of them come through for a connection to be made and used. */
const LOST_SHARE = 0.03;
const LOST_FOR_MS = 20_000;
const REDIS = 'redis-';
const ONE_WORKER = 'redis-twin-worker-1';
const SETUP = { links: true } as const;

/** The way between parts: cut, slow, broken again and again, and answers that never arrive. */
export const SPOILT_LINKS: readonly FaultCase[] = [
  {
    name: 'cut-twin-worker',
    title: 'nothing passes between one twin-worker and Redis for 12 s; then what was held arrives',
    lines: ['F4', 'F5', 'F3'],
    loadSeconds: CUT_LOAD_SECONDS,
    setup: SETUP,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    strike: async (platform) => {
      const before = platform.link(ONE_WORKER).seen;
      await spoil(platform, [ONE_WORKER], { kind: 'silent' }, SHORT_CUT_MS);
      await pause(ARRIVAL_MS);
      return `STALE_EPOCH refused ${platform.link(ONE_WORKER).seen - before} late writes`;
    },
  },
  {
    name: 'cut-twin-worker-long',
    title: 'nothing passes between one twin-worker and Redis for 30 s',
    lines: ['F4', 'F5'],
    loadSeconds: LONG_CUT_LOAD_SECONDS,
    setup: SETUP,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    strike: (platform) => spoil(platform, [ONE_WORKER], { kind: 'silent' }, LONG_CUT_MS),
  },
  {
    name: 'cut-gateway',
    title: 'nothing passes between the gateway and Redis for 30 s',
    lines: ['F16', 'F17'],
    loadSeconds: LONG_CUT_LOAD_SECONDS,
    setup: SETUP,
    strike: (platform) => spoil(platform, ['redis-gateway'], { kind: 'silent' }, LONG_CUT_MS),
  },
  {
    name: 'cut-telemetry-writer',
    title: 'the writer reaches neither Redis nor ClickHouse for 30 s',
    lines: ['F28'],
    loadSeconds: LONG_CUT_LOAD_SECONDS,
    setup: SETUP,
    strike: (platform) => spoil(platform, ['redis-telemetry-writer', 'clickhouse'], { kind: 'silent' }, LONG_CUT_MS),
  },
  {
    name: 'cut-all',
    title: 'nobody reaches Redis or ClickHouse for 12 s, then everybody at once',
    lines: ['F37'],
    loadSeconds: CUT_LOAD_SECONDS,
    setup: SETUP,
    strike: (platform) => spoil(platform, [...platform.links.keys()], { kind: 'silent' }, SHORT_CUT_MS),
  },
  {
    name: 'refused-all',
    title: 'every connection to Redis and ClickHouse is refused for 12 s',
    lines: ['F37'],
    loadSeconds: CUT_LOAD_SECONDS,
    setup: SETUP,
    strike: (platform) => spoil(platform, [...platform.links.keys()], { kind: 'refuse' }, SHORT_CUT_MS),
  },
  {
    name: 'redis-latency',
    title: 'every answer of Redis comes 500 ms ± 250 late for 25 s',
    lines: ['F19'],
    loadSeconds: 32,
    setup: SETUP,
    strike: (platform) => {
      const slow = { kind: 'slow', meanMs: LATENCY_MS, spreadMs: LATENCY_SPREAD_MS } as const;
      return spoil(platform, linksOf(platform, REDIS), slow, LATENCY_FOR_MS);
    },
  },
  {
    name: 'redis-resets',
    title: 'every connection to Redis is reset every 2 s, twelve times',
    lines: ['F20'],
    loadSeconds: 32,
    setup: SETUP,
    strike: async (platform) => {
      for (let time = 0; time < RESETS; time++) {
        for (const name of linksOf(platform, REDIS)) platform.link(name).reset();
        await pause(RESET_EVERY_MS);
      }
      return undefined;
    },
  },
  {
    name: 'redis-replies-lost',
    title: 'Redis does what the gateway and the workers ask, and every 33rd answer is lost, for 20 s',
    lines: ['F10', 'F20'],
    loadSeconds: 30,
    setup: SETUP,
    strike: async (platform) => {
      const names = linksOf(platform, REDIS);
      await spoil(platform, names, { kind: 'loseReplies', share: LOST_SHARE }, LOST_FOR_MS);
      const counts = ['gateway', 'twin-worker-1', 'twin-worker-2'].map((part) => {
        return `${platform.link(`redis-${part}`).repliesLost} of ${part}`;
      });
      return `replies lost: ${counts.join(', ')}`;
    },
  },
  {
    name: 'clickhouse-replies-lost',
    title: 'ClickHouse does what it is asked, and half of its answers are lost, for 20 s',
    lines: ['F29'],
    loadSeconds: 30,
    setup: SETUP,
    strike: async (platform) => {
      await spoil(platform, ['clickhouse'], { kind: 'loseReplies', share: 0.5 }, LOST_FOR_MS);
      return `replies lost: ${platform.link('clickhouse').repliesLost}`;
    },
  },
  {
    name: 'clickhouse-errors',
    title: 'ClickHouse is answered for with errors (500) for 20 s',
    lines: ['F28'],
    loadSeconds: 30,
    setup: SETUP,
    strike: (platform) => spoil(platform, ['clickhouse'], { kind: 'httpError', status: 500 }, LOST_FOR_MS),
  },
  {
    name: 'clickhouse-away',
    title: 'every connection to ClickHouse is refused for 5 min: the log holds what comes, and twins go on',
    lines: ['F28'],
    loadSeconds: 310,
    setup: SETUP,
    takeoverMaxMs: TAKEOVER_MS_MAX,
    strike: (platform) => spoil(platform, ['clickhouse'], { kind: 'refuse' }, AWAY_MS),
  },
  {
    name: 'clickhouse-late',
    title: 'every answer of ClickHouse comes 30 s late, for 40 s',
    lines: ['F28', 'F29'],
    loadSeconds: LONG_CUT_LOAD_SECONDS,
    setup: SETUP,
    strike: (platform) => {
      return spoil(platform, ['clickhouse'], { kind: 'slow', meanMs: LATE_ANSWER_MS, spreadMs: 0 }, 40_000);
    },
  },
];

async function spoil(
  platform: PlatformUnderFault,
  names: readonly string[],
  manner: LinkManner,
  forMs: number,
): Promise<undefined> {
  for (const name of names) platform.link(name).behave(manner);
  await pause(forMs);
  for (const name of names) platform.link(name).behave({ kind: 'pass' });
  return undefined;
}

function linksOf(platform: PlatformUnderFault, prefix: string): readonly string[] {
  return [...platform.links.keys()].filter((name) => name.startsWith(prefix));
}

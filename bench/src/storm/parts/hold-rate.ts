import { LatencyHistogram } from '../../latency-histogram.ts';
import type { Quantiles } from '../platform/platform-latencies.ts';
import { latenciesBetween } from '../platform/platform-latencies.ts';
import type { Backlog, StormPlatform } from '../platform/storm-platform.ts';
import type { ProcessUsage } from '../../process-sampler.ts';
import { trendOf, type Trend } from './backlog-trend.ts';

const SAMPLE_EVERY_MS = 1_000;

export interface HeldRate extends Trend {
  readonly offeredPerSecond: number;
  readonly seconds: number;
  /** Acknowledged until the window was over. */
  readonly acknowledgedPerSecond: number;
  /** Of the window and of what was left over when it was. */
  readonly events: number;
  readonly drainSeconds: number;
  readonly pubackMs: Quantiles;
  readonly twinMs: Quantiles;
  readonly rowMs: Quantiles;
  readonly usage: readonly ProcessUsage[];
}

/** Offers a rate for a while, looks at the backlog each second, and waits until it is worked off. */
export async function holdRate(
  platform: StormPlatform,
  { eventsPerSecond, seconds }: { readonly eventsPerSecond: number; readonly seconds: number },
): Promise<HeldRate> {
  const before = await platform.metricPages();
  const acknowledgedBefore = (await platform.progress()).acknowledged;
  const sampler = platform.watchProcesses();
  const samples: Backlog[] = [];
  const sampling = new AbortController();
  const watching = sample(platform, samples, sampling.signal);
  await platform.generator.call('run', { eventsPerSecond, seconds });
  const endMs = Date.now();
  const acknowledged = (await platform.progress()).acknowledged - acknowledgedBefore;
  sampling.abort();
  await watching;
  await platform.settle();
  const drainSeconds = ((await platform.drained()) - endMs) / 1_000;
  const latency = new LatencyHistogram((await platform.generator.call('latencies')).at(-1));
  return {
    ...trendOf(samples, eventsPerSecond),
    offeredPerSecond: eventsPerSecond,
    seconds,
    acknowledgedPerSecond: Math.round(acknowledged / seconds),
    events: (await platform.progress()).acknowledged - acknowledgedBefore,
    drainSeconds,
    pubackMs: { p50: latency.quantile(0.5), p99: latency.quantile(0.99) },
    ...latenciesBetween(before, await platform.metricPages()),
    usage: sampler.stop(),
  };
}

async function sample(platform: StormPlatform, samples: Backlog[], signal: AbortSignal): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
    if (signal.aborted) return;
    samples.push(await platform.backlog());
  }
}

import { LatencyHistogram } from '../../latency-histogram.ts';
import type { Aftermath } from '../checks/broken-promises.ts';
import { latenciesBetween } from '../platform/platform-latencies.ts';
import { StormPlatform } from '../platform/storm-platform.ts';
import { type Costs, costsOf } from './process-costs.ts';

export interface SpikeOrder {
  readonly devices: number;
  readonly quietPerSecond: number;
  readonly quietSeconds: number;
  readonly spikePerSecond: number;
  readonly spikeSeconds: number;
}

export interface Spike extends Costs {
  readonly order: SpikeOrder;
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrongTwins: number;
  readonly pubackP50Ms: number;
  readonly pubackP99Ms: number;
  readonly twinP50Ms: number;
  readonly twinP99Ms: number;
  readonly rowP50Ms: number;
  readonly rowP99Ms: number;
  /** From the last event of the spike until all of the spike is acknowledged, in its twins and among the rows. */
  readonly drainSeconds: number;
  readonly after: Aftermath;
}

/** 200 → 20,000 → 200 events/s, from one moment to the next. */
export async function measureSpike(order: SpikeOrder): Promise<Spike> {
  const platform = await StormPlatform.start();
  try {
    const sampler = platform.watchProcesses();
    await platform.openDevices('spike', order.devices);
    const quiet = { eventsPerSecond: order.quietPerSecond, seconds: order.quietSeconds };
    await platform.generator.call('run', quiet);
    const before = await platform.metricPages();
    await platform.generator.call('run', { eventsPerSecond: order.spikePerSecond, seconds: order.spikeSeconds });
    const endMs = Date.now();
    const { due } = await platform.progress();
    const afterwards = platform.generator.call('run', quiet);
    // A quiet event may be counted in place of one of the spike: at 200/s that is a few ms of the answer.
    const drainedMs = await platform.caughtUp(
      ({ telemetryApplied, telemetryStored }) => telemetryApplied >= due && telemetryStored >= due,
    );
    const latencies = latenciesBetween(before, await platform.metricPages());
    await afterwards;
    await platform.settle();
    const [, spikeLatency] = await platform.generator.call('latencies');
    const puback = new LatencyHistogram(spikeLatency);
    const usage = sampler.stop();
    const after = await platform.checkAll(usage);
    return {
      order,
      acknowledged: after.rows.acknowledged,
      lost: after.rows.lost,
      duplicated: after.rows.duplicated,
      wrongTwins: after.twins.wrongTwins,
      pubackP50Ms: puback.quantile(0.5),
      pubackP99Ms: puback.quantile(0.99),
      twinP50Ms: latencies.twinMs.p50,
      twinP99Ms: latencies.twinMs.p99,
      rowP50Ms: latencies.rowMs.p50,
      rowP99Ms: latencies.rowMs.p99,
      drainSeconds: (drainedMs - endMs) / 1_000,
      ...costsOf(usage, after.rows.acknowledged),
      after,
    };
  } finally {
    await platform.stop();
  }
}

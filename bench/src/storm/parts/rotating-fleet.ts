import type { DeviceOutcome } from '../load/storm-generator.ts';
import type { StormPlatform } from '../platform/storm-platform.ts';
import type { DeviceLogin } from '../../simulated-device.ts';
import type { ProcessUsage } from '../../process-sampler.ts';

export interface FleetOrder {
  /** Connections at the same time; the devices take turns where there are more. */
  readonly connectionsMax: number;
  readonly eventsPerSecond: number;
  /** Of one group of connections. */
  readonly seconds: number;
}

export interface FleetLoad {
  readonly events: number;
  /** From the first event of a group until its last one was in its twin and among the rows, over all groups. */
  readonly seconds: number;
  readonly outcomes: readonly DeviceOutcome[];
  /** Of these seconds alone: connecting and registering is not in it. */
  readonly usage: readonly ProcessUsage[];
  readonly connectionsLost: number;
  readonly disordered: number;
  readonly unacknowledged: number;
}

/** Lets every device of a fleet send, group by group. */
export async function rotate(
  platform: StormPlatform,
  logins: readonly DeviceLogin[],
  order: FleetOrder,
): Promise<FleetLoad> {
  const outcomes: DeviceOutcome[] = [];
  const usages: (readonly ProcessUsage[])[] = [];
  const sums = { events: 0, seconds: 0, connectionsLost: 0, disordered: 0, unacknowledged: 0 };
  for (let first = 0; first < logins.length; first += order.connectionsMax) {
    await platform.connect(logins.slice(first, first + order.connectionsMax));
    const sampler = platform.watchProcesses();
    const startMs = Date.now();
    await platform.generator.call('run', order);
    await platform.generator.call('giveUpUnsent');
    sums.unacknowledged += await platform.settle();
    sums.seconds += ((await platform.drained()) - startMs) / 1_000;
    usages.push(sampler.stop());
    const { acknowledged, connectionsLost, disordered } = await platform.progress();
    sums.events += acknowledged;
    sums.connectionsLost += connectionsLost;
    sums.disordered += disordered;
    outcomes.push(...(await platform.generator.call('outcomes')));
    await platform.generator.call('close');
  }
  return { ...sums, outcomes, usage: added(usages) };
}

/** CPU adds up over the groups; of memory the worst counts. */
export function added(usages: readonly (readonly ProcessUsage[])[]): readonly ProcessUsage[] {
  const sums = new Map<string, ProcessUsage>();
  for (const { name, cpuSeconds, peakBytes } of usages.flat()) {
    const known = sums.get(name) ?? { name, cpuSeconds: 0, peakBytes: 0 };
    sums.set(name, {
      name,
      cpuSeconds: known.cpuSeconds + cpuSeconds,
      peakBytes: Math.max(known.peakBytes, peakBytes),
    });
  }
  return [...sums.values()];
}

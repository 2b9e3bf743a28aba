import type { Aftermath } from '../checks/broken-promises.ts';
import { StormPlatform } from '../platform/storm-platform.ts';
import { type Costs, costsOf } from './process-costs.ts';

export interface OverloadOrder {
  readonly devices: number;
  readonly offeredPerSecond: number;
  readonly seconds: number;
}

export interface Overload extends Costs {
  readonly order: OverloadOrder;
  /** While it was offered. */
  readonly acknowledgedPerSecond: number;
  /** Events that waited in the devices at the end: the platform took no more than it could. */
  readonly heldBack: number;
  /** Of these, those that the platform had not seen, and which were given up. */
  readonly neverSent: number;
  readonly intakeSlowed: boolean;
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrongTwins: number;
  readonly connectionsLost: number;
  readonly shed: number;
  readonly drainSeconds: number;
  readonly after: Aftermath;
}

/** Far more than the platform can take, for a while: latency may grow, and nothing else may happen. */
export async function measureOverload(order: OverloadOrder): Promise<Overload> {
  const platform = await StormPlatform.start();
  try {
    await platform.openDevices('overload', order.devices);
    const sampler = platform.watchProcesses();
    await platform.generator.call('run', { eventsPerSecond: order.offeredPerSecond, seconds: order.seconds });
    const endMs = Date.now();
    const { due, acknowledged } = await platform.progress();
    const neverSent = await platform.generator.call('giveUpUnsent');
    await platform.settle();
    const drainSeconds = ((await platform.drained()) - endMs) / 1_000;
    const usage = sampler.stop();
    const after = await platform.checkAll(usage);
    return {
      order,
      acknowledgedPerSecond: Math.round(acknowledged / order.seconds),
      heldBack: due - acknowledged,
      neverSent,
      intakeSlowed: due - acknowledged > order.offeredPerSecond,
      acknowledged: after.rows.acknowledged,
      lost: after.rows.lost,
      duplicated: after.rows.duplicated,
      wrongTwins: after.twins.wrongTwins,
      connectionsLost: after.connectionsLost,
      shed: after.shed,
      drainSeconds,
      ...costsOf(usage, after.rows.acknowledged),
      after,
    };
  } finally {
    await platform.stop();
  }
}

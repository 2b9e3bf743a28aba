import type { Aftermath } from '../checks/broken-promises.ts';
import { presenceWatch } from '../platform/presence-watch.ts';
import { StormPlatform } from '../platform/storm-platform.ts';
import { type Costs, costsOf } from './process-costs.ts';

export interface ReconnectOrder {
  readonly devices: number;
  readonly withinSeconds: number;
  /** Of all devices together; what is due of one without a connection waits in it. */
  readonly eventsPerSecond: number;
  readonly leadSeconds: number;
}

export interface Reconnect extends Costs {
  readonly order: ReconnectOrder;
  /** Devices that had a connection again at the end. */
  readonly back: number;
  /** From the cut until the last one was back; each came at a moment of its own within the time asked for. */
  readonly allBackSeconds: number;
  /** Tries that were refused or broke off before they were accepted. */
  readonly connectsFailed: number;
  /** Devices that have a connection and are shown without one when all has come to rest. */
  readonly falselyDisconnected: number;
  /** Of a sample of devices, by their live streams: how often one was shown as disconnected more than once. */
  readonly watched: number;
  readonly shownTooOften: number;
  readonly after: Aftermath;
}

const WATCHED_DEVICES = 50;

/** A radio cell fails: every device loses its connection at once, without a word, and all come back within seconds. */
export async function measureReconnect(order: ReconnectOrder): Promise<Reconnect> {
  const platform = await StormPlatform.start();
  try {
    const logins = await platform.openDevices('reconnect', order.devices);
    const sampler = platform.watchProcesses();
    const step = Math.max(1, Math.floor(logins.length / WATCHED_DEVICES));
    const ids = logins.filter((_, at) => at % step === 0).slice(0, WATCHED_DEVICES);
    const watch = await presenceWatch(
      platform.installation,
      ids.map(({ id }) => id),
    );
    const seconds = order.leadSeconds * 2 + order.withinSeconds;
    const load = platform.generator.call('run', { eventsPerSecond: order.eventsPerSecond, seconds });
    await new Promise((resolve) => setTimeout(resolve, order.leadSeconds * 1_000));
    const allBackMs = await platform.generator.call('cutAll', order.withinSeconds * 1_000);
    await load;
    await platform.settle();
    await platform.drained();
    const usage = sampler.stop();
    const after = await platform.checkAll(usage);
    const { connected, connectsFailed } = await platform.progress();
    return {
      order,
      back: connected,
      allBackSeconds: allBackMs / 1_000,
      connectsFailed,
      falselyDisconnected: after.twins.falselyDisconnected,
      watched: ids.length,
      shownTooOften: watch.close().filter((shown) => shown > 1).length,
      ...costsOf(usage, after.rows.acknowledged),
      after,
    };
  } finally {
    await platform.stop();
  }
}

import type { Aftermath } from '../checks/broken-promises.ts';
import { StormPlatform } from '../platform/storm-platform.ts';
import { type HeldRate, holdRate } from './hold-rate.ts';
import { type Costs, costsOf } from './process-costs.ts';
import { highestHeld, type RateSearch } from './rate-search.ts';

export interface Sustained extends Costs, Omit<HeldRate, 'usage'> {
  readonly devices: number;
  /** 0 when no rate was held. */
  readonly perSecond: number;
  readonly after: Aftermath;
}

export interface SustainedOrder extends RateSearch {
  readonly devices: number;
  /** One rate is asked for: it is held, or not, and nothing is searched. */
  readonly isRateFixed: boolean;
  /** The first rate is offered for so long before anything is judged: what is compiled then is no cost of an event. */
  readonly warmUpSeconds?: number;
  /** Settings that differ from the defaults. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The highest rate whose backlog does not grow, with what it costs. */
export async function measureSustained(order: SustainedOrder, say: (text: string) => void): Promise<Sustained> {
  const platform = await StormPlatform.start(order.env);
  try {
    await platform.openDevices('sustained', order.devices);
    const hold = async (eventsPerSecond: number, seconds: number): Promise<HeldRate> => {
      const window = await holdRate(platform, { eventsPerSecond, seconds });
      say(
        `  ${eventsPerSecond}/s for ${seconds} s from ${order.devices} devices: ` +
          `${window.isHeld ? 'held' : 'not held'}, ${window.acknowledgedPerSecond}/s acknowledged, backlog ` +
          `${window.firstSeconds.toFixed(2)} s early and ${window.lastSeconds.toFixed(2)} s late`,
      );
      return window;
    };
    const { warmUpSeconds = 0, first } = order;
    if (warmUpSeconds > 0) await holdRate(platform, { eventsPerSecond: first, seconds: warmUpSeconds });
    const found = order.isRateFixed ? await fixed(order, hold) : await highestHeld(order, hold);
    if (found === null) throw new Error(`not even ${order.step} events/s are sustained`);
    const { usage, ...window } = found.window;
    const after = await platform.checkAll(usage);
    return { ...window, ...costsOf(usage, window.events), devices: order.devices, perSecond: found.rate, after };
  } finally {
    await platform.stop();
  }
}

async function fixed(
  { first, seconds }: RateSearch,
  hold: (rate: number, seconds: number) => Promise<HeldRate>,
): Promise<{ readonly rate: number; readonly window: HeldRate }> {
  const window = await hold(first, seconds);
  return { rate: window.isHeld ? first : 0, window };
}

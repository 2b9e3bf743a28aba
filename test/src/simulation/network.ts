import { type Clock, PlatformError } from '@breakwater/twin-runtime';
import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import { type FaultMix, NO_FAULTS } from './fault-mix.ts';
import type { SimulatedProcess } from './simulated-process.ts';

const LEG_MS_MAX = 4;
const SLOW_MS_MAX = 8_000;

export interface CallOptions {
  /** Safe to be done twice: the network may do so. */
  readonly repeatable?: boolean;
}

/**
 * Everything between the processes and what outlives them. A request and its reply travel for a while; either may be
 * lost, and a request may arrive twice, or very late. A request that is under way arrives though its sender dies.
 */
export class Network {
  #faults: FaultMix = NO_FAULTS;
  readonly #time: Clock;
  readonly #random: SeededRandom;

  constructor(time: Clock, random: SeededRandom) {
    this.#time = time;
    this.#random = random;
  }

  set faults(faults: FaultMix) {
    this.#faults = faults;
  }

  async call<T>(sender: SimulatedProcess, work: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    if (sender.isDead) await new Promise<never>(() => {});
    const { lostRequest, lostReply, duplicatedRequest, slowRequest } = this.#faults;
    const random = this.#random;
    const isLost = random.chance(lostRequest);
    const isReplyLost = random.chance(lostReply);
    const isRepeated = options.repeatable === true && random.chance(duplicatedRequest);
    const extraMs = random.chance(slowRequest) ? random.below(SLOW_MS_MAX) : 0;
    await this.#travel(extraMs);
    if (isLost) {
      await sender.gate();
      throw new PlatformError('BACKEND_UNAVAILABLE', 'the request was lost', { retryable: true });
    }
    const outcome = await settle(work);
    if (isRepeated) void this.#travel(random.below(SLOW_MS_MAX)).then(() => settle(work));
    await this.#travel(0);
    await sender.gate();
    if (isReplyLost) throw new PlatformError('BACKEND_UNAVAILABLE', 'the reply was lost', { retryable: true });
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #travel(extraMs: number): Promise<void> {
    return this.#time.sleep(this.#random.below(LEG_MS_MAX) + extraMs);
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

async function settle<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

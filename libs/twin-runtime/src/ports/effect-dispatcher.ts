import type { Epoch, Partition } from '@breakwater/twin';

import type { OutboxEntry } from './twin-store.ts';

/** Does what commits left to be done: downlinks, change records, dead letters. */
export interface EffectDispatcher {
  /**
   * Answers the ids of those entries that are done for good. The others stay in the outbox and are dispatched again:
   * after a while, by the next owner, or never when somebody else (a gateway) confirms them in the store.
   */
  dispatch(partition: Partition, epoch: Epoch, entries: readonly OutboxEntry[]): Promise<readonly string[]>;
}

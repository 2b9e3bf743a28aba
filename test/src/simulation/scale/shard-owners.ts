import type { Partition } from '@breakwater/twin';
import type { Clock, RegionObserver } from '@breakwater/twin-runtime';

import { ShardPauses } from '../shard-pauses.ts';

/** Which worker runs the shard of each partition, as the workers themselves tell it. */
export class ShardOwners {
  readonly pauses: ShardPauses;
  readonly owners = new Map<Partition, string>();
  readonly #onTwice: (sentence: string) => void;

  constructor(clock: Pick<Clock, 'nowMs'>, onTwice: (sentence: string) => void) {
    this.pauses = new ShardPauses(clock);
    this.#onTwice = onTwice;
  }

  observerOf(memberId: string): Pick<RegionObserver, 'shardStarted' | 'shardEnded'> {
    return {
      shardStarted: (partition) => {
        const other = this.owners.get(partition);
        if (other !== undefined) this.#onTwice(`${memberId} began with partition ${partition}, and ${other} has it`);
        this.owners.set(partition, memberId);
        this.pauses.started(partition);
      },
      shardEnded: (partition) => {
        if (this.owners.get(partition) !== memberId) return;
        this.owners.delete(partition);
        this.pauses.ended(partition);
      },
    };
  }

  /** A dead process tells nothing: its shards end with it. */
  killed(memberId: string): void {
    for (const [partition, owner] of this.owners) {
      if (owner !== memberId) continue;
      this.owners.delete(partition);
      this.pauses.ended(partition);
    }
  }

  shareOf(memberId: string): number {
    let share = 0;
    for (const owner of this.owners.values()) if (owner === memberId) share++;
    return share;
  }
}

import type { Offset, Partition } from '@breakwater/twin';

import type { Lane } from '../ports/event-log.ts';

interface Place {
  readonly lane: Lane;
  readonly offset: Offset;
}

/**
 * What this process has learned of records that no commit can carry. Whether a record kills its process only the store
 * can count; but a process that is still here knows which one could not be committed.
 */
export class SuspectRecords {
  readonly #condemned = new Map<Partition, Place & { readonly code: string }>();
  readonly #partitions = new Set<Partition>();

  /** The next shard of the partition goes one record at a time. */
  suspect(partition: Partition): void {
    this.#partitions.add(partition);
  }

  /** Answers once whether the partition is suspected. */
  takeSuspicion(partition: Partition): boolean {
    return this.#partitions.delete(partition);
  }

  /** The record, alone, can not be committed: it will be dead-lettered with this code. */
  condemn(partition: Partition, { lane, offset }: Place, code: string): void {
    this.#condemned.set(partition, { lane, offset, code });
  }

  condemnation(partition: Partition, place: Place): string | null {
    const condemned = this.#condemned.get(partition);
    return condemned?.lane === place.lane && condemned.offset === place.offset ? condemned.code : null;
  }
}

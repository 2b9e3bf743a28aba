import type { Offset, Partition } from '@breakwater/twin';
import type { AppendRequest, LogFrame } from '@breakwater/twin-runtime';

import type { TopicRole } from '../topic-names.ts';

/** A frame for any of the platform's topics. */
export interface TopicFrame extends Omit<AppendRequest, 'lane'> {
  readonly lane: TopicRole;
  /** `ce_id` of each record, where records know theirs; else it is their place among all that the producer appends. */
  readonly recordIds?: readonly string[];
}

export interface TopicReadRequest<Role extends TopicRole> {
  readonly lane: Role;
  readonly partition: Partition;
  readonly from: Offset;
}

export interface TopicReadBatch<Role extends TopicRole> {
  readonly lane: Role;
  readonly partition: Partition;
  readonly frames: readonly LogFrame[];
}

import type { RegionObserver } from '@breakwater/twin-runtime';

/** The patterns under which a worker's handlers hear of its shards. The data is what the observer was told. */
export const ShardEvent = {
  shardStarted: 'shard.started',
  shardEnded: 'shard.ended',
  committed: 'shard.committed',
  redone: 'shard.redone',
  deadLettered: 'shard.deadLettered',
  answersGivenUp: 'shard.answersGivenUp',
  deadLettersGivenUp: 'shard.deadLettersGivenUp',
  failed: 'shard.failed',
} as const satisfies Partial<Record<keyof RegionObserver, string>>;

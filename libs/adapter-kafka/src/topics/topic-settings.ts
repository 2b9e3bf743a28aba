import type { TopicRole } from '../topic-names.ts';

export interface TopicPlan {
  /** The prefix of the topics' names. */
  readonly prefix: string;
  /** Part of the data: it says in which partition a device is. */
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** How many replicas must have a record before it is acknowledged. */
  readonly minInsyncReplicas: number;
  /** How long records are kept, consumed or not. */
  readonly retentionMs: Readonly<Record<TopicRole, number>>;
  /** The largest frame of the platform. */
  readonly frameBytesMax: number;
}

/** Key, headers and lengths of records come on top of the lines of a frame, and need not compress well. */
const BATCH_BYTES_PER_FRAME_BYTE = 4;
/** Retention works on whole segments; with Kafka's default of 1 GiB a small partition would keep everything. */
const SEGMENT_BYTES = 128 * 1024 * 1024;

/** What the platform's promises rest on: a topic whose settings are others is refused. */
export function requiredConfigs({ minInsyncReplicas, frameBytesMax }: TopicPlan): Readonly<Record<string, string>> {
  return {
    // Compaction leaves holes, and a resumed owner's late record would win.
    'cleanup.policy': 'delete',
    'message.timestamp.type': 'LogAppendTime',
    'unclean.leader.election.enable': 'false',
    'min.insync.replicas': String(minInsyncReplicas),
    'max.message.bytes': String(BATCH_BYTES_PER_FRAME_BYTE * frameBytesMax),
  };
}

/** What a topic is made with. Operators may change the rest of it later. */
export function initialConfigs(plan: TopicPlan, role: TopicRole): Readonly<Record<string, string>> {
  return {
    ...requiredConfigs(plan),
    'retention.ms': String(plan.retentionMs[role]),
    'segment.bytes': String(SEGMENT_BYTES),
    // The producer has compressed, or was told not to.
    'compression.type': 'producer',
  };
}

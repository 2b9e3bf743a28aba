import { integer } from '../define-settings.ts';

const MIB = 1024 * 1024;

/** Limits of what is kept in Redis beside the log: commits, channels to the gateways, and the feed of changes. */
export const redisSettings = {
  commitTwinsMax: integer('COMMIT_TWINS_MAX', {
    default: 4_000,
    min: 1,
    max: 100_000,
    unit: 'twins',
    reason: 'Twins of one commit. It is one script, and Redis does nothing else while it runs: this bounds that time.',
  }),
  commitBytesMax: integer('COMMIT_BYTES_MAX', {
    default: 16 * MIB,
    min: 256 * 1024,
    max: 256 * MIB,
    unit: 'bytes',
    reason: 'Twin states and effects of one commit, for the same reason.',
  }),
  downlinkNoticesMax: integer('DOWNLINK_NOTICES_MAX', {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    unit: 'notices per gateway',
    reason: 'What may wait for one gateway. A full channel takes nothing more, and the outbox sends it again later.',
  }),
  downlinkBytesMax: integer('DOWNLINK_BYTES_MAX', {
    default: 8 * MIB,
    min: 64 * 1024,
    max: 1024 * MIB,
    unit: 'bytes per gateway',
    reason: 'The same in bytes, because a notice can be as large as a twin.',
  }),
  changesEntriesKept: integer('CHANGES_ENTRIES_PER_PARTITION', {
    default: 5_000,
    min: 1,
    max: 1_000_000,
    unit: 'changes per partition',
    reason:
      'Changes that live views can still ask for after an interruption; who was away for longer reads the twin anew. Also what the history of twins bridges while ClickHouse is away; with EVENT_LOG=kafka that is the retention of the topic.',
  }),
  changesBytesKept: integer('CHANGES_BYTES_PER_PARTITION', {
    default: 2 * MIB,
    min: 64 * 1024,
    max: 1024 * MIB,
    unit: 'bytes per partition',
    reason: 'The same in bytes, because a change holds the whole twin. With 16 partitions the default is 32 MiB.',
  }),
} as const;

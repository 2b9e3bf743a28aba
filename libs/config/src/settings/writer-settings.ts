import { integer, text } from '../define-settings.ts';

const MIB = 1024 * 1024;

/** Settings of the telemetry writer. */
export const writerSettings = {
  ownerName: text('WRITER_NAME', {
    default: '',
    reason:
      'Name of this writer in its ownership records, and of its turn: one that is started again under the same name goes on at once. Empty takes host name, process id and time; then a killed one is missed for WRITER_LEASE_TTL_MS first.',
  }),
  ranges: integer('WRITER_RANGES', {
    default: 1,
    min: 1,
    max: 16,
    unit: 'ranges',
    reason:
      'Ranges that the partitions are divided into for the writers, each written by one at a time: as many writers can work at once. The same for all of an installation; another number later waits until the last writer with the old one has gone, and goes on where it stopped. With several, the memory of a round is divided among them.',
  }),
  leaseTtlMs: integer('WRITER_LEASE_TTL_MS', {
    default: 3_000,
    min: 500,
    max: 60_000,
    unit: 'ms',
    reason: 'How long a silent writer keeps its turn, or its ranges, before others take over.',
  }),
  roundIntervalMs: integer('WRITER_ROUND_INTERVAL_MS', {
    default: 500,
    min: 0,
    max: 60_000,
    unit: 'ms',
    reason:
      'Least time between two insert rounds. Fewer, larger inserts cost ClickHouse far less than many small ones.',
  }),
  roundIntervalMaxMs: integer('WRITER_ROUND_INTERVAL_MAX_MS', {
    default: 1_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    reason:
      'What the time between two rounds may grow to while rounds are slow: four times as long as the last one took. Rows are then later, and cost less.',
  }),
  batchRecordsMax: integer('WRITER_BATCH_RECORDS', {
    default: 40_000,
    min: 1,
    max: 1_000_000,
    unit: 'records',
    reason: 'Most records of one round. Rounds grow with the lag up to here, which bounds memory on both sides.',
  }),
  batchBytesMax: integer('WRITER_BATCH_BYTES', {
    default: 16 * MIB,
    min: 64 * 1024,
    max: 256 * MIB,
    unit: 'bytes',
    reason: 'Most bytes of record lines of one round; the embedded ClickHouse takes bodies of 64 MiB.',
  }),
  batchDaysMax: integer('WRITER_BATCH_DAYS', {
    default: 200,
    min: 1,
    max: 2_000,
    unit: 'days',
    reason: 'Most days (UTC) of one round: each day is one insert of its own. A single record may exceed it alone.',
  }),
  readFramesMax: integer('WRITER_READ_FRAMES', {
    default: 64,
    min: 1,
    max: 10_000,
    unit: 'frames',
    reason: 'Most frames per partition that one read of the log asks for.',
  }),
  retentionRecords: integer('WRITER_TRIM_KEEP_RECORDS', {
    default: 25_000,
    min: 0,
    max: 1_000_000_000,
    unit: 'records',
    reason:
      'Records of each partition and lane that stay in the log behind every consumer: for audits, late readers, and gateways that look for what a device sent before. At least `GATEWAY_RESEND_TAIL_RECORDS`. Fewer when a lane is half full.',
  }),
  trimIntervalMs: integer('WRITER_TRIM_INTERVAL_MS', {
    default: 5_000,
    min: 10,
    max: 3_600_000,
    unit: 'ms',
    reason: 'Time between two trims of the log.',
  }),
  backoffMaxMs: integer('WRITER_BACKOFF_MAX_MS', {
    default: 5_000,
    min: 10,
    max: 600_000,
    unit: 'ms',
    reason:
      'Longest wait before the next try while ClickHouse or the log is away. Nothing is lost meanwhile: the log buffers.',
  }),
  historyIntervalMs: integer('HISTORY_ROUND_INTERVAL_MS', {
    default: 1_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    reason: 'Least time between two inserts of changes of twins into their history.',
  }),
  snapshotIntervalSeconds: integer('SNAPSHOT_INTERVAL_SECONDS', {
    default: 60,
    min: 1,
    max: 86_400,
    unit: 's',
    reason:
      'Longest time between two copies of a changed twin into ClickHouse, from which `breakwater rebuild` makes a lost twin store again; the log after them is replayed. Under high load copies come sooner.',
  }),
  deadLettersPerDayMax: integer('WRITER_DEAD_LETTERS_PER_DAY', {
    default: 10_000,
    min: 0,
    max: 10_000_000,
    unit: 'dead letters',
    reason: 'Dead letters that are kept per tenant and day; more are counted and not kept.',
  }),
} as const;

import { integer } from '../define-settings.ts';

/** Settings of the twin-worker. */
export const workerSettings = {
  leaseTtlMs: integer('WORKER_LEASE_TTL_MS', {
    default: 5_000,
    min: 500,
    max: 60_000,
    unit: 'ms',
    reason:
      'How long a silent worker keeps its shards, where the log is in Redis. Two missed renewals are survived; a takeover takes about this long.',
  }),
  twinCacheBytes: integer('WORKER_TWIN_CACHE_BYTES', {
    default: 128 * 1024 * 1024,
    min: 1024 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason: 'Memory for warm twins; beyond it the least recently used ones are passivated.',
  }),
  batchRecordsMax: integer('WORKER_BATCH_RECORDS_MAX', {
    default: 8_000,
    min: 1,
    max: 100_000,
    unit: 'records',
    reason: 'Records of one shard in one batch: bounds a commit and the time that control waits behind telemetry.',
  }),
  readWaitMs: integer('WORKER_READ_WAIT_MS', {
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'ms',
    reason: 'How long a read of the log waits for something new. It returns at once when there is something.',
  }),
  framesPerReadMax: integer('WORKER_FRAMES_PER_READ_MAX', {
    default: 64,
    min: 1,
    max: 10_000,
    unit: 'frames per partition',
    reason: 'Frames that one read takes from each lane of a partition.',
  }),
  downlinkRetryMs: integer('WORKER_DOWNLINK_RETRY_MS', {
    default: 5_000,
    min: 100,
    max: 600_000,
    unit: 'ms',
    reason: 'An effect that was not confirmed is dispatched again after this time.',
  }),
  commandSignalsMax: integer('WORKER_COMMAND_SIGNALS_MAX', {
    default: 100_000,
    min: 100,
    max: 10_000_000,
    unit: 'signals per partition',
    reason: 'What became of commands and waits for the workflow engine. Above it the shard waits too.',
  }),
} as const;

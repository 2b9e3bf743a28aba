import { choice, integer, text } from '../define-settings.ts';

/** Settings of `npm start`, the embedded platform. */
export const standaloneSettings = {
  redisServerPath: text('REDIS_SERVER_PATH', {
    reason: 'The redis-server (7 or newer) that is started. Empty: the first one on PATH or in a Homebrew folder.',
  }),
  redisMemoryMegabytes: integer('REDIS_MEMORY_MB', {
    default: 512,
    min: 64,
    max: 65_536,
    unit: 'MB',
    reason:
      'What Redis may hold: the twins and the backlog of the log. The lanes of the log get 60 % of it, and a sum of budgets over 80 % refuses the start. Full, it refuses appends and keeps draining.',
  }),
  kafkaHeapMegabytes: integer('KAFKA_HEAP_MB', {
    default: 512,
    min: 128,
    max: 32_768,
    unit: 'MB',
    reason: 'Heap of the broker that `npm start` runs for EVENT_LOG=kafka. What it caches of its files is beside that.',
  }),
  embeddedTemporal: choice('EMBEDDED_TEMPORAL', {
    values: ['obtain', 'found', 'off'],
    default: 'obtain',
    reason:
      'Temporal, which keeps commands durable. `obtain`: it is started, and its program is downloaded or built in the background if this machine has none. `found`: it is started if its program is here. `off`: neither. Events never wait for it.',
  }),
  temporalCliPath: text('TEMPORAL_CLI_PATH', {
    reason:
      'The `temporal` program (with server 1.29 or newer) that is started. Empty: the first on PATH, then the one that an earlier start obtained, then Homebrew.',
  }),
  temporalUiPort: integer('TEMPORAL_UI_PORT', {
    default: 8233,
    min: 1,
    max: 65535,
    unit: 'port',
    reason: 'Port of the pages of Temporal on 127.0.0.1: they ask for no password, so they are for this machine only.',
  }),
  temporalNiceness: integer('EMBEDDED_TEMPORAL_NICENESS', {
    default: 5,
    min: 0,
    max: 19,
    unit: 'nice value',
    reason:
      'How far Temporal and the worker of commands stand back behind the others when the processor is short. They work in bursts, and without it the acknowledgements of events wait for those.',
  }),
  twinWorkers: integer('TWIN_WORKERS', {
    default: 2,
    min: 1,
    max: 64,
    unit: 'processes',
    reason: 'Twin workers that are started. Two, so that the twins of one that dies have somewhere to go at once.',
  }),
  diskFreeMegabytesMin: integer('DISK_FREE_MIN_MB', {
    default: 200,
    min: 1,
    max: 1_048_576,
    unit: 'MB',
    reason: 'With less free space in DATA_DIR the platform does not start: a log that cannot grow accepts nothing.',
  }),
  readyTimeoutMs: integer('PART_READY_TIMEOUT_MS', {
    default: 120_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    reason: 'How long a part may take until it serves. Generous, because Redis reads its whole file first.',
  }),
  stopGraceMs: integer('PART_STOP_GRACE_MS', {
    default: 35_000,
    min: 100,
    max: 600_000,
    unit: 'ms',
    reason: 'How long a part may take to stop before it is ended. A little more than the parts allow themselves.',
  }),
} as const;

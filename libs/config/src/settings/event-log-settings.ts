import { integer } from '../define-settings.ts';

/** Budgets of the embedded event log. Every process that appends reads them, and they must agree. */
export const eventLogSettings = {
  telemetryLaneBytesMax: integer('LOG_TELEMETRY_BYTES_PER_PARTITION', {
    default: 20 * 1024 * 1024,
    min: 64 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason:
      'What the telemetry lane of one partition may hold in Redis. With 16 partitions the default is 320 MiB; a full lane withholds acknowledgements, it loses nothing. `npm start` derives it from REDIS_MEMORY_MB and PARTITIONS unless it is set.',
  }),
  controlLaneBytesMax: integer('LOG_CONTROL_BYTES_PER_PARTITION', {
    default: 4 * 1024 * 1024,
    min: 64 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason:
      'What the control lane of one partition may hold in Redis. Apart from telemetry, so that a full telemetry lane stops no command. `npm start` derives it too.',
  }),
  telemetryReserveBytes: integer('LOG_TELEMETRY_RESERVE_BYTES_PER_PARTITION', {
    default: 2 * 1024 * 1024,
    min: 0,
    max: 1024 ** 3,
    unit: 'bytes',
    reason:
      "What the telemetry lane of one partition may hold above its budget, of the platform's own records: the history of commands, and up to half of it dead letters of twins. About 3,000 changes of commands. Beyond it they wait with the twins.",
  }),
  frameBytesMax: integer('LOG_FRAME_BYTES', {
    default: 512 * 1024,
    min: 256 * 1024,
    max: 16 * 1024 * 1024,
    unit: 'bytes',
    reason:
      'The largest frame. It must hold the largest record: a dead letter with 128 KiB of payload, or a patch of 128 KiB.',
  }),
} as const;

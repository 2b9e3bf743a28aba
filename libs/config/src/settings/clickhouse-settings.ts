import { integer } from '../define-settings.ts';

const MIB = 1024 * 1024;

/** Settings of the embedded ClickHouse (chDB behind ClickHouse's HTTP interface). */
export const embeddedClickhouseSettings = {
  port: integer('EMBEDDED_CLICKHOUSE_PORT', {
    default: 0,
    min: 0,
    max: 65535,
    unit: 'port',
    reason: 'Port of the embedded ClickHouse on 127.0.0.1; 0 takes a free one, which the ready line names.',
  }),
  niceness: integer('EMBEDDED_CLICKHOUSE_NICENESS', {
    default: 10,
    min: 0,
    max: 19,
    unit: 'nice value',
    reason:
      'How far the embedded ClickHouse stands back when the processor is full: rows may wait, acknowledgements and twins ' +
      'should not.',
  }),
  mergeNiceness: integer('EMBEDDED_CLICKHOUSE_MERGE_NICENESS', {
    default: 19,
    min: 0,
    max: 19,
    unit: 'nice value',
    reason:
      'How far merges stand back, behind inserts too. Less than EMBEDDED_CLICKHOUSE_NICENESS needs the right to raise it; ' +
      'where it cannot be set, merges keep that of the process.',
  }),
  readersMax: integer('EMBEDDED_CLICKHOUSE_READERS', {
    default: 2,
    min: 1,
    max: 3,
    unit: 'statements',
    reason:
      'Reads that run at once. Each, and the one insert beside them, holds one of the four threads of the runtime.',
  }),
  queueLengthMax: integer('EMBEDDED_CLICKHOUSE_QUEUE', {
    default: 256,
    min: 1,
    max: 10_000,
    unit: 'statements',
    reason: 'Statements that wait per lane (reads, writes). One more is answered 503 and may be sent again.',
  }),
  queueBytesMax: integer('EMBEDDED_CLICKHOUSE_QUEUE_BYTES', {
    default: 96 * MIB,
    min: MIB,
    max: 1024 * MIB,
    unit: 'bytes',
    reason:
      'Request bodies in memory, waiting or running, over all connections; part of the memory cap of the process.',
  }),
  bodyBytesMax: integer('EMBEDDED_CLICKHOUSE_BODY_BYTES', {
    default: 64 * MIB,
    min: 64 * 1024,
    max: 512 * MIB,
    unit: 'bytes',
    reason: 'The largest request body, decompressed. The telemetry writer sends less.',
  }),
  readTimeoutMs: integer('EMBEDDED_CLICKHOUSE_READ_TIMEOUT_MS', {
    default: 10_000,
    min: 100,
    max: 600_000,
    unit: 'ms',
    reason: 'A read that takes longer is ended (TIMEOUT_EXCEEDED), so that it cannot hold a reader for ever.',
  }),
  resultBytesMax: integer('EMBEDDED_CLICKHOUSE_RESULT_BYTES', {
    default: 64 * MIB,
    min: 64 * 1024,
    max: 512 * MIB,
    unit: 'bytes',
    reason: 'A larger result is refused: results are held in memory before they are sent.',
  }),
  memoryBytesMax: integer('EMBEDDED_CLICKHOUSE_MEMORY_BYTES', {
    default: 800 * MIB,
    min: 256 * MIB,
    max: 65_536 * MIB,
    unit: 'bytes',
    reason:
      'What the engine may allocate, queries, inserts, merges and caches together; the process stays under 1.2 GB.',
  }),
} as const;

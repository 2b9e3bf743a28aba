/**
 * Every queue, map and buffer that a process shares among its clients, and what bounds it: a setting, or a constant of
 * the code. docs/operations/limits.md is its page, with what happens when one is full, and what bounds a single
 * connection, stream or twin. A test keeps the two together.
 */
export const QUEUES = {
  gateway: {
    appendBytes: 'GATEWAY_QUEUE_BYTES_MAX',
    appendRecords: 'GATEWAY_QUEUE_RECORDS_MAX',
    appendFlights: 'GATEWAY_APPEND_FLIGHTS_MAX',
    connections: 'GATEWAY_CONNECTIONS_MAX',
    children: 'GATEWAY_CHILDREN_OPEN_TOTAL_MAX',
    detachedSessions: 'GATEWAY_DETACHED_SESSIONS_MAX',
    bans: 'BANS_MAX',
    controlLane: 'LOG_CONTROL_BYTES_PER_PARTITION',
    telemetryLane: 'LOG_TELEMETRY_BYTES_PER_PARTITION',
    memory: 'MEMORY_MAX_MB',
  },
  'twin-worker': {
    twinCache: 'WORKER_TWIN_CACHE_BYTES',
    outbox: 'outboxPerShardMax',
    memory: 'MEMORY_MAX_MB',
  },
  'telemetry-writer': {
    buffer: 'WRITER_BATCH_BYTES',
    memory: 'MEMORY_MAX_MB',
  },
  api: {
    writes: 'API_WRITES_IN_FLIGHT_MAX',
    twinStreams: 'API_STREAMS_MAX',
    controlLane: 'LOG_CONTROL_BYTES_PER_PARTITION',
    telemetryLane: 'LOG_TELEMETRY_BYTES_PER_PARTITION',
    memory: 'MEMORY_MAX_MB',
  },
  'temporal-worker': {
    memory: 'MEMORY_MAX_MB',
  },
  'embedded-clickhouse': {
    reads: 'EMBEDDED_CLICKHOUSE_QUEUE',
    writes: 'EMBEDDED_CLICKHOUSE_QUEUE',
    bodies: 'EMBEDDED_CLICKHOUSE_QUEUE_BYTES',
    memory: 'EMBEDDED_CLICKHOUSE_MEMORY_BYTES',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type ProcessName = keyof typeof QUEUES;
export type QueueName<Process extends ProcessName> = keyof (typeof QUEUES)[Process] & string;

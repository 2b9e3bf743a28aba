import { integer } from '../define-settings.ts';

/** Settings of the API process. */
export const apiSettings = {
  writeTimeoutMs: integer('API_WRITE_TIMEOUT_MS', {
    default: 5_000,
    min: 10,
    max: 60_000,
    unit: 'ms',
    reason:
      'How long a PATCH waits for its twin before it answers 504; and the lag of a shard from which on it is refused with 503.',
  }),
  readyWaitsForTelemetryMs: integer('API_READY_WAITS_FOR_TELEMETRY_MS', {
    default: 30_000,
    min: 0,
    max: 600_000,
    unit: 'ms',
    reason:
      'How long after its start an API process waits with its first "ready" for ClickHouse and the telemetry writer. ' +
      'Then it is ready without them, and names them as degraded: an outage of ClickHouse must not stop a rollout.',
  }),
  writesInFlightMax: integer('API_WRITES_IN_FLIGHT_MAX', {
    default: 2_000,
    min: 1,
    max: 100_000,
    unit: 'writes',
    reason:
      'Writes of one API process that wait for their twins; more are refused with 503 before anything is written.',
  }),
  bodyBytesMax: integer('API_BODY_BYTES_MAX', {
    default: 256 * 1024,
    min: 1_024,
    max: 16 * 1024 * 1024,
    unit: 'bytes',
    reason:
      'The largest request body. A whole twin has 64 KiB, so a patch never needs more than a part of the default.',
  }),
  streamsMax: integer('API_STREAMS_MAX', {
    default: 1_000,
    min: 1,
    max: 100_000,
    unit: 'streams',
    reason:
      'Live streams (server-sent events and GraphQL subscriptions) of one API process; more are refused with 503.',
  }),
  streamQueueMax: integer('API_STREAM_QUEUE_MAX', {
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'changes per stream',
    reason:
      'Changes that wait for one slow client. Beyond it they are dropped and the client is sent the twin as it then is.',
  }),
  heartbeatMs: integer('API_STREAM_HEARTBEAT_MS', {
    default: 15_000,
    min: 1_000,
    max: 300_000,
    unit: 'ms',
    reason: 'Pause between the comments that keep a quiet stream open through proxies.',
  }),
  telemetryTimeoutMs: integer('API_TELEMETRY_TIMEOUT_MS', {
    default: 20_000,
    min: 100,
    max: 300_000,
    unit: 'ms',
    reason: 'How long a query of telemetry, events or dead letters may take before it is answered with 503.',
  }),
  graphqlCostMax: integer('API_GRAPHQL_COST_MAX', {
    default: 1_000,
    min: 10,
    max: 1_000_000,
    unit: 'points',
    reason: 'What one GraphQL request may ask for: a device or twin is 1 point, a page or a write 10, telemetry 20.',
  }),
  webSocketInitTimeoutMs: integer('API_WEBSOCKET_INIT_TIMEOUT_MS', {
    default: 10_000,
    min: 100,
    max: 300_000,
    unit: 'ms',
    reason: 'How long a GraphQL WebSocket may stay open before its client has sent its key.',
  }),
  ledgerCheckIntervalMs: integer('LEDGER_CHECK_INTERVAL_MS', {
    default: 5_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    reason: 'Pause between two checks of the ledger. An imbalance is told when three after one another have found it.',
  }),
  ledgerAuditIntervalMs: integer('LEDGER_AUDIT_INTERVAL_MS', {
    default: 60_000,
    min: 100,
    max: 86_400_000,
    unit: 'ms',
    reason: 'Pause between two audits, which count the rows of the newest plans in ClickHouse itself.',
  }),
  ledgerAuditPlans: integer('LEDGER_AUDIT_PLANS', {
    default: 16,
    min: 2,
    max: 1_000,
    unit: 'plans',
    reason: 'Newest inserts of the telemetry writer that one audit counts: about eight seconds of them by default.',
  }),
  graphqlDepthMax: integer('API_GRAPHQL_DEPTH_MAX', {
    default: 8,
    min: 3,
    max: 50,
    unit: 'levels',
    reason: 'How deep a GraphQL query may nest. The schema needs 6 for a page of devices with their twins.',
  }),
} as const;

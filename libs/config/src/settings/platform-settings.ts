import { choice, integer, text } from '../define-settings.ts';

/** Settings that several parts read and that must agree between them. */
export const platformSettings = {
  dataDir: text('DATA_DIR', { default: './data', reason: 'Folder of everything that `npm start` keeps.' }),
  httpPort: integer('HTTP_PORT', {
    default: 3000,
    min: 1,
    max: 65535,
    unit: 'port',
    reason: 'REST, GraphQL and the API page.',
  }),
  mqttPort: integer('MQTT_PORT', { default: 1883, min: 1, max: 65535, unit: 'port', reason: 'MQTT over TCP.' }),
  mqttWebSocketPort: integer('MQTT_WS_PORT', {
    default: 8083,
    min: 0,
    max: 65535,
    unit: 'port',
    reason: 'MQTT over WebSocket, path /mqtt; 0 turns it off.',
  }),
  mqttTlsPort: integer('MQTT_TLS_PORT', {
    default: 8883,
    min: 0,
    max: 65535,
    unit: 'port',
    reason: 'MQTT over TLS. Open only where `GATEWAY_TLS_CERT_FILE` is set; 0 turns it off there too.',
  }),
  mqttWebSocketTlsPort: integer('MQTT_WSS_PORT', {
    default: 8084,
    min: 0,
    max: 65535,
    unit: 'port',
    reason:
      'MQTT over WebSocket over TLS, path /mqtt. Open only where `GATEWAY_TLS_CERT_FILE` is set; 0 turns it off there too.',
  }),
  tlsCertFile: text('GATEWAY_TLS_CERT_FILE', {
    reason:
      'PEM file with the certificate of the gateway and the intermediates behind it. Empty: no TLS. Read again when it changes, and on SIGHUP.',
  }),
  tlsKeyFile: text('GATEWAY_TLS_KEY_FILE', {
    reason: 'PEM file with the private key of that certificate, without a pass phrase.',
  }),
  bindHost: text('BIND_HOST', { default: '0.0.0.0', reason: 'Address on which HTTP and MQTT listen.' }),
  adminApiKey: text('ADMIN_API_KEY', {
    lengthMin: 16,
    secret: true,
    reason:
      'The key that may do everything, sent as `Authorization: Bearer`. Without it `npm start` makes one on the first run.',
  }),
  redisUrl: text('REDIS_URL', {
    default: 'redis://127.0.0.1:6379',
    reason:
      'Twin store and embedded event log. One server: `redis://[user:password@]host:port[/db]` or `unix:///path/to/socket`. Redis Cluster: `redis+cluster://host:port,host:port`, of which one has to answer. The primary that sentinels name: `redis+sentinel://host:port,host:port/name`. With TLS `rediss…`. Unless it is set, `npm start` runs a Redis of its own.',
  }),
  clickhouseUrl: text('CLICKHOUSE_URL', {
    default: 'http://127.0.0.1:8123',
    reason: 'ClickHouse over HTTP. `npm start` sets it.',
  }),
  clickhouseUser: text('CLICKHOUSE_USER', { default: 'default', reason: 'User at ClickHouse.' }),
  clickhousePassword: text('CLICKHOUSE_PASSWORD', { secret: true, reason: 'Password at ClickHouse.' }),
  clickhouseDatabase: text('CLICKHOUSE_DATABASE', { default: 'breakwater', reason: 'Database at ClickHouse.' }),
  eventLog: choice('EVENT_LOG', {
    values: ['redis', 'kafka'],
    default: 'redis',
    reason:
      'The engine of the event log. `redis` needs no further server; `kafka` keeps its backlog on disk, spreads over brokers and replicates.',
  }),
  partitionCount: integer('PARTITIONS', {
    default: 16,
    min: 1,
    max: 1024,
    unit: 'partitions',
    reason: 'Partitions of the log, and so shards of twins. Part of the data: another count refuses to start.',
  }),
  childrenMax: integer('DEVICE_CHILDREN_MAX', {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    unit: 'devices',
    reason: 'Child devices that may be registered under one gateway device: it registers them by itself.',
  }),
  logLevel: choice('LOG_LEVEL', {
    values: ['trace', 'debug', 'info', 'warn', 'error'],
    default: 'info',
    reason: 'The least level that is logged.',
  }),
  auditLevel: choice('AUDIT_LOG_LEVEL', {
    values: ['info', 'warn', 'off'],
    default: 'info',
    reason:
      'The least level of the audit log, apart from `LOG_LEVEL`: matters of security are wanted in a quiet log too.',
  }),
  auditLinesPerMinuteMax: integer('AUDIT_LINES_PER_MINUTE_MAX', {
    default: 60,
    min: 1,
    max: 100_000,
    unit: 'lines per event',
    reason:
      'Audit lines of one event in one minute and process, so that an attack fills no disk. What is left out is counted.',
  }),
  memoryMegabytesMax: integer('MEMORY_MAX_MB', {
    default: 600,
    min: 64,
    max: 1_048_576,
    unit: 'MB',
    reason:
      'What a process of the platform, the stores apart, may hold. Near it a gateway reads less, sheds and refuses, and an alert tells of every process. `npm start` gives each a heap of 384 MB, and the rest is buffers.',
  }),
  metricsPort: integer('METRICS_PORT', {
    default: 0,
    min: 0,
    max: 65535,
    unit: 'port',
    reason: 'Port of /metrics and /health of every process but the api; 0 takes a free one.',
  }),
  metricsHost: text('METRICS_HOST', {
    default: '127.0.0.1',
    reason:
      'Address of that port. Both tell much and ask for no key, so this machine alone may read them; in a cluster it is `0.0.0.0`, behind a network policy, because probes and Prometheus come from outside.',
  }),
} as const;

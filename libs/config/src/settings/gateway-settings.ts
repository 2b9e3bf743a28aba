import { choice, integer, text } from '../define-settings.ts';

/** Settings of the gateway: what one device may do, and what all of them together may hold in its memory. */
export const gatewaySettings = {
  gatewayRole: choice('GATEWAY_ROLE', {
    values: ['gateway', 'bridge'],
    default: 'gateway',
    reason: '`gateway`: devices connect to it. `bridge`: it listens to nobody and reads the broker of `BRIDGE_URL`.',
  }),
  connectionsMax: integer('GATEWAY_CONNECTIONS_MAX', {
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    reason: 'Connections of one gateway. The next one is refused with "server busy".',
  }),
  packetBytesMax: integer('GATEWAY_PACKET_BYTES_MAX', {
    default: 256 * 1024,
    min: 1_024,
    max: 16 * 1024 * 1024,
    unit: 'bytes',
    reason:
      'Largest MQTT packet. Above the payload limit of 128 KiB, so that a payload a little too large is answered with a reason.',
  }),
  connectTimeoutMs: integer('GATEWAY_CONNECT_TIMEOUT_MS', {
    default: 10_000,
    min: 100,
    max: 600_000,
    unit: 'ms',
    reason: 'How long a new connection may take to send its CONNECT.',
  }),
  keepaliveSecondsMax: integer('GATEWAY_KEEPALIVE_MAX_S', {
    default: 1_200,
    min: 5,
    max: 65_535,
    unit: 's',
    reason: 'Longest keepalive; a client that asks for more, or for none, is held to this (MQTT 5: Server Keep Alive).',
  }),
  receiveMax: integer('GATEWAY_RECEIVE_MAX', {
    default: 32,
    min: 1,
    max: 65_535,
    unit: 'messages',
    reason: 'Messages of one connection that may wait for the log (MQTT 5: Receive Maximum).',
  }),
  inboundBytesMax: integer('GATEWAY_INBOUND_BYTES_MAX', {
    default: 512 * 1024,
    min: 16 * 1024,
    max: 64 * 1024 * 1024,
    unit: 'bytes',
    reason: 'Bytes of one connection that may wait for the log before its socket is no longer read.',
  }),
  outboundQueueMax: integer('GATEWAY_OUTBOUND_QUEUE_MAX', {
    default: 100,
    min: 1,
    max: 100_000,
    unit: 'messages',
    reason: 'Messages that may wait for one device. One more ends the session: its next one gets the whole state.',
  }),
  outboundBytesMax: integer('GATEWAY_OUTBOUND_BYTES_MAX', {
    default: 512 * 1024,
    min: 16 * 1024,
    max: 64 * 1024 * 1024,
    unit: 'bytes',
    reason: 'Bytes that may wait for one device that reads slowly.',
  }),
  subscriptionsMax: integer('GATEWAY_SUBSCRIPTIONS_MAX', {
    default: 50,
    min: 1,
    max: 10_000,
    unit: 'filters',
    reason: 'Filters of one connection. A device has a handful of topics.',
  }),
  topicAliasMax: integer('GATEWAY_TOPIC_ALIAS_MAX', {
    default: 10,
    min: 0,
    max: 65_535,
    unit: 'aliases',
    reason: 'Topic aliases that a client may set (MQTT 5).',
  }),
  publishesPerSecondMax: integer('GATEWAY_PUBLISHES_PER_SECOND_MAX', {
    default: 500,
    min: 1,
    max: 1_000_000,
    unit: 'messages/s',
    reason:
      'Messages of one connection in a second, or in one burst. Those above it wait, and their answers with them.',
  }),
  childrenOpenMax: integer('GATEWAY_CHILDREN_OPEN_MAX', {
    default: 1_000,
    min: 1,
    max: 100_000,
    unit: 'devices',
    reason: 'Child devices that one connection of a gateway device may have open. One more is refused (MQTT 5: 0x97).',
  }),
  childrenOpenTotalMax: integer('GATEWAY_CHILDREN_OPEN_TOTAL_MAX', {
    default: 50_000,
    min: 1,
    max: 1_000_000,
    unit: 'devices',
    reason: 'Child devices of all connections together: each is a session with a memory of its own.',
  }),
  sessionExpirySecondsMax: integer('GATEWAY_SESSION_EXPIRY_MAX_S', {
    default: 86_400,
    min: 0,
    max: 31_536_000,
    unit: 's',
    reason:
      'Longest life of an MQTT session without a connection; MQTT 3.1.1 asks for it with clean session 0. Such sessions are kept in Redis. 0: every session ends with its connection.',
  }),
  detachedSessionsMax: integer('GATEWAY_DETACHED_SESSIONS_MAX', {
    default: 5_000,
    min: 0,
    max: 1_000_000,
    unit: 'sessions',
    reason:
      'Sessions without a connection that one gateway holds in memory. Those over it go on from Redis alone, the ones that wait longest first.',
  }),
  outboundDropPolicy: choice('GATEWAY_OUTBOUND_DROP_POLICY', {
    values: ['refuseNewest', 'dropOldest'],
    default: 'refuseNewest',
    reason:
      'What happens when one more message is to wait for a device than may. `refuseNewest` closes the connection, and the next one is told the whole state; `dropOldest` drops the message that waits longest and has the twin send the whole state.',
  }),
  grantedQosMax: integer('GATEWAY_OUTBOUND_QOS_MAX', {
    default: 2,
    min: 1,
    max: 2,
    unit: '',
    reason: 'Highest QoS that a subscription is granted.',
  }),
  outboundTopicAliasMax: integer('GATEWAY_OUTBOUND_TOPIC_ALIAS_MAX', {
    default: 4,
    min: 0,
    max: 65_535,
    unit: 'aliases',
    reason:
      'Topics of one connection that are shortened to an alias on their way to an MQTT 5 device that takes aliases. A device has a handful of topics.',
  }),
  serverReference: text('GATEWAY_SERVER_REFERENCE', {
    reason:
      'Where MQTT 5 devices are sent when this gateway stops (Server Reference), as `host` or `host:port`. Empty: they are told to come again.',
  }),
  flushMs: integer('GATEWAY_FLUSH_MS', {
    default: 2,
    min: 0,
    max: 1_000,
    unit: 'ms',
    reason: 'How long the first message of an append waits for company. Batches are what makes durable appends cheap.',
  }),
  flightsMax: integer('GATEWAY_APPEND_FLIGHTS_MAX', {
    default: 3,
    min: 1,
    max: 64,
    unit: 'appends',
    reason: 'Appends in the air at once, each of a partition only once.',
  }),
  frameRecordsMax: integer('GATEWAY_FRAME_RECORDS_MAX', {
    default: 512,
    min: 1,
    max: 100_000,
    unit: 'records',
    reason: 'Records in one frame of the log.',
  }),
  queueRecordsMax: integer('GATEWAY_QUEUE_RECORDS_MAX', {
    default: 200_000,
    min: 1_000,
    max: 10_000_000,
    unit: 'records',
    reason: 'Messages of all devices that may wait for the log. Above it the sender is disconnected, unacknowledged.',
  }),
  queueBytesMax: integer('GATEWAY_QUEUE_BYTES_MAX', {
    default: 96 * 1024 * 1024,
    min: 1024 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason: 'Bytes of all devices that may wait for the log: the bound on the memory of a gateway whose log is away.',
  }),
  refuseConnectsBytes: integer('GATEWAY_REFUSE_CONNECTS_BYTES', {
    default: 64 * 1024 * 1024,
    min: 512 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason: 'Above this queue new connections are refused as "server busy": those that are here are served first.',
  }),
  gatherRecords: integer('GATEWAY_GATHER_RECORDS', {
    default: 4_000,
    min: 1,
    max: 10_000_000,
    unit: 'records',
    reason:
      'When more messages than this wait for the log, a device that sends faster than it is answered is read again after its answers, and one that sends some messages a second every 0.8 s: what it sends meanwhile is read, and acknowledged, in one piece. Such a device waits longer, and the gateway reads and writes less often.',
  }),
  shedBytes: integer('GATEWAY_SHED_BYTES', {
    default: 32 * 1024 * 1024,
    min: 256 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason: 'Above this queue QoS 0 is shed, and counted. QoS 1 and 2 never are.',
  }),
  withholdMs: integer('GATEWAY_WITHHOLD_MS', {
    default: 60_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    reason:
      'How long acknowledgements are withheld while the log is silent; then the connections are closed without them. While the log says that it is full they are withheld without limit.',
  }),
  retryMsMin: integer('GATEWAY_APPEND_RETRY_MS_MIN', {
    default: 20,
    min: 1,
    max: 60_000,
    unit: 'ms',
    reason: 'First pause before an append is repeated; it doubles each time.',
  }),
  retryMsMax: integer('GATEWAY_APPEND_RETRY_MS_MAX', {
    default: 1_000,
    min: 1,
    max: 60_000,
    unit: 'ms',
    reason: 'Longest pause before an append is repeated.',
  }),
  leaseTtlMs: integer('GATEWAY_LEASE_TTL_MS', {
    default: 10_000,
    min: 500,
    max: 600_000,
    unit: 'ms',
    reason:
      'How long a silent gateway counts as alive; after it its devices are shown as disconnected. Longer than a storm can keep it from renewing.',
  }),
  takeoverAnswerMs: integer('GATEWAY_TAKEOVER_ANSWER_MS', {
    default: 1_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    reason:
      'How long a connecting device waits for the gateway that it was connected to before, when that one says nothing: it was killed, or hangs.',
  }),
  takeoverWaitMs: integer('GATEWAY_TAKEOVER_WAIT_MS', {
    default: 5_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    reason:
      'How long it waits when that gateway answers and still has messages of the device on the way to the log. Below `GATEWAY_CONNECT_TIMEOUT_MS`, which ends the connect itself.',
  }),
  resendEntriesMax: integer('GATEWAY_RESEND_ENTRIES_MAX', {
    default: 64,
    min: 1,
    max: 65_535,
    unit: 'messages per device',
    reason:
      "How many of a device's last messages are recognised when they are sent again. At least the receive maximum.",
  }),
  resendDevicesMax: integer('GATEWAY_RESEND_DEVICES_MAX', {
    default: 50_000,
    min: 0,
    max: 1_000_000,
    unit: 'devices',
    reason: 'Disconnected devices whose last messages are still in memory; those of the others are read from the log.',
  }),
  resendBytesMax: integer('GATEWAY_RESEND_BYTES_MAX', {
    default: 24 * 1024 * 1024,
    min: 0,
    max: 16 * 1024 ** 3,
    unit: 'bytes',
    reason:
      'What those last messages may take, with their places: some 400 bytes for a device with 20 of them. Over it the device that is gone for longest is forgotten first.',
  }),
  resendTailRecordsMax: integer('GATEWAY_RESEND_TAIL_RECORDS', {
    default: 20_000,
    min: 0,
    max: 10_000_000,
    unit: 'records per partition',
    reason:
      'How far back the log is read for what a device sent in its previous session. What is older counts as new. The log keeps `WRITER_TRIM_KEEP_RECORDS`, which is to be at least as many.',
  }),
  tokenCacheMs: integer('GATEWAY_TOKEN_CACHE_MS', {
    default: 2_000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    reason:
      'How long a good token is remembered, for storms of reconnects. Each session is checked again once it is open.',
  }),
  tokenCacheEntriesMax: integer('GATEWAY_TOKEN_CACHE_ENTRIES_MAX', {
    default: 5_000,
    min: 1,
    max: 1_000_000,
    unit: 'tokens',
    reason: 'Tokens in that memory.',
  }),
  tokenRechecksPerSecond: integer('GATEWAY_TOKEN_RECHECKS_PER_SECOND', {
    default: 200,
    min: 0,
    max: 100_000,
    unit: 'sessions/s',
    reason:
      'Open sessions whose token is looked up again in a second, so that a revoked device is off even if the notice of it got lost. 0 turns this off.',
  }),
  deadLetterBytesPerHourMax: integer('GATEWAY_DEAD_LETTER_BYTES_PER_HOUR', {
    default: 1024 * 1024,
    min: 0,
    max: 1024 ** 3,
    unit: 'bytes per device',
    reason: 'Dead letters that are kept whole of one device in an hour. More are recorded without their bytes.',
  }),
  downlinkWaitMs: integer('GATEWAY_DOWNLINK_WAIT_MS', {
    default: 1_000,
    min: 10,
    max: 10_000,
    unit: 'ms',
    reason: 'How long one read of the downlink channel waits. It returns at once when there is something.',
  }),
  downlinkAnswerMs: integer('GATEWAY_DOWNLINK_ANSWER_MS', {
    default: 5_000,
    min: 10,
    max: 600_000,
    unit: 'ms',
    reason:
      'How long the PUBACK of a message to a device is waited for before it counts as taken, so that a silent device does not fill the outbox of its shard.',
  }),
  drainNoticeMs: integer('GATEWAY_DRAIN_NOTICE_MS', {
    default: 0,
    min: 0,
    max: 10_000,
    unit: 'ms',
    reason:
      'How long a gateway that is to stop goes on as before while `/health/ready` says 503, so that a load balancer sends no new devices. Longer than the time in which that notices.',
  }),
  drainConnectionsPerSecond: integer('GATEWAY_DRAIN_CONNECTIONS_PER_SECOND', {
    default: 2_000,
    min: 1,
    max: 1_000_000,
    unit: 'connections/s',
    reason:
      'How many devices are told to go in a second when the gateway stops: all at once would be a storm of reconnects at the others.',
  }),
  drainSpreadMsMax: integer('GATEWAY_DRAIN_SPREAD_MS_MAX', {
    default: 3_000,
    min: 0,
    max: 10_000,
    unit: 'ms',
    reason: 'How long that may take: with more devices than go in this time, more go in a second.',
  }),
  drainMs: integer('GATEWAY_DRAIN_MS', {
    default: 5_000,
    min: 0,
    max: 9_000,
    unit: 'ms',
    reason:
      'How long each of the three steps of an orderly stop may take: answer what is under way, record the ends, let go.',
  }),
} as const;

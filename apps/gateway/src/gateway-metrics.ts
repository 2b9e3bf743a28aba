import type { Counter, Gauge, Histogram, Metrics } from '@breakwater/observability';

const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Why a message without acknowledgement was let go of. `notStored`: the log did not take it, or not in time. */
export type ShedReason = 'queue' | 'memory' | 'rate' | 'notStored';

/** What the gateway counts. No label holds anything that a device can choose. */
export class GatewayMetrics {
  readonly connections: Gauge;
  readonly children: Gauge;
  readonly connects: Counter<'result'>;
  readonly transportRefusals: Counter<'listener' | 'reason'>;
  readonly certificateReloads: Counter<'result'>;
  readonly certificateExpiry: Gauge;
  readonly closes: Counter<'reason' | 'code'>;
  readonly subscribesRefused: Counter<'code'>;
  readonly readingStopped: Counter<'cause'>;
  readonly bans: Gauge;
  readonly messages: Counter<'kind' | 'qos'>;
  readonly acknowledgeSeconds: Histogram;
  readonly appendSeconds: Histogram;
  readonly appendRetries: Counter;
  readonly rejected: Counter<'reason'>;
  readonly deadLettersNotKept: Counter;
  readonly resends: Counter;
  readonly takeovers: Counter<'end'>;
  readonly shed: Counter<'class' | 'reason' | 'tenant'>;
  readonly held: Counter<'cause'>;
  readonly downlinks: Counter<'result'>;
  readonly sends: Counter<'qos' | 'outcome'>;
  readonly sessionsDetached: Gauge;
  readonly restingDevices: Gauge;
  readonly restingBytes: Gauge;
  readonly sessionsResumed: Counter;
  readonly sessionsEnded: Counter<'cause'>;
  readonly sessionsUnreadable: Counter;
  readonly queueRecords: Gauge;
  readonly queueBytes: Gauge;
  readonly measures: Gauge<'measure'>;

  constructor(metrics: Metrics) {
    this.connections = metrics.gauge('mqtt_connections', 'MQTT sessions that are open.');
    this.children = metrics.gauge('mqtt_children', 'Child devices that are open over the connection of another one.');
    this.connects = metrics.counter('mqtt_connects_total', 'CONNECTs by result.', ['result']);
    this.transportRefusals = metrics.counter(
      'mqtt_transport_refused_total',
      'Connections that ended before MQTT was spoken: no PROXY header, a failed or slow TLS handshake, too many.',
      ['listener', 'reason'],
    );
    this.certificateReloads = metrics.counter('mqtt_tls_reloads_total', 'Changed TLS files by result.', ['result']);
    this.certificateExpiry = metrics.gauge('mqtt_tls_certificate_expires_seconds', 'Unix time of its end; 0: no TLS.');
    this.closes = metrics.counter(
      'mqtt_closes_total',
      'Connections that ended, by reason, and by the MQTT 5 reason code where the end is ours.',
      ['reason', 'code'],
    );
    this.subscribesRefused = metrics.counter('mqtt_filters_refused_total', 'Filters refused, by MQTT 5 reason code.', [
      'code',
    ]);
    this.readingStopped = metrics.counter('mqtt_reading_stopped_total', 'Sockets that were not read for a while.', [
      'cause',
    ]);
    this.bans = metrics.gauge('bans', 'Bans in force, of devices and addresses.');
    this.messages = metrics.counter('mqtt_messages_received_total', 'Messages from devices.', ['kind', 'qos']);
    this.acknowledgeSeconds = metrics.histogram(
      'mqtt_publish_ack_seconds',
      'From a QoS 1 or 2 message to its answer.',
      {
        buckets: LATENCY_BUCKETS_S,
      },
    );
    this.appendSeconds = metrics.histogram('log_append_seconds', 'One durable append of a batch.', {
      buckets: LATENCY_BUCKETS_S,
    });
    this.appendRetries = metrics.counter('log_append_retries_total', 'Appends that are repeated: log full or silent.');
    this.rejected = metrics.counter('ingest_rejected_total', 'Messages that became dead letters.', ['reason']);
    this.deadLettersNotKept = metrics.counter('dead_letters_not_kept_total', 'Dead letters over a device quota.');
    this.takeovers = metrics.counter('mqtt_takeovers_total', 'Older connections elsewhere that were waited for.', [
      'end',
    ]);
    this.resends = metrics.counter('mqtt_resends_total', 'Messages that were in the log already.');
    this.shed = metrics.counter('shed_total', 'Messages that were shed under overload.', ['class', 'reason', 'tenant']);
    this.held = metrics.counter('mqtt_publishes_held_total', 'Messages that waited for a publish rate, by whose.', [
      'cause',
    ]);
    this.downlinks = metrics.counter('downlinks_total', 'Messages to devices by result.', ['result']);
    this.sends = metrics.counter('mqtt_sends_total', 'Messages to devices by what MQTT made of them.', [
      'qos',
      'outcome',
    ]);
    this.restingDevices = metrics.gauge('mqtt_resend_resting_devices', 'Devices that are gone and still remembered.');
    this.restingBytes = metrics.gauge('mqtt_resend_resting_bytes', 'Memory that the last messages of these take.');
    this.sessionsDetached = metrics.gauge('mqtt_detached_sessions', 'Kept sessions without a connection, in memory.');
    this.sessionsResumed = metrics.counter('mqtt_sessions_resumed_total', 'CONNECTs that found their session again.');
    this.sessionsEnded = metrics.counter(
      'mqtt_detached_sessions_ended_total',
      'Sessions without a connection that left this gateway, by cause.',
      ['cause'],
    );
    this.sessionsUnreadable = metrics.counter(
      'mqtt_sessions_unreadable_total',
      'Kept sessions of another version, or damaged: their devices got new ones.',
    );
    this.queueRecords = metrics.gauge('append_queue_records', 'Records that wait for the log.');
    this.queueBytes = metrics.gauge('append_queue_bytes', 'Bytes that wait for the log.');
    this.measures = metrics.gauge('overload_measure', 'Whether a measure against overload is taken now: 1 or 0.', [
      'measure',
    ]);
  }
}

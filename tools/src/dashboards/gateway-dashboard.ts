import { bytes, count, perSecond, seconds, type Dashboard } from './dashboard.ts';
import { latencies, max, rate, sum } from './metric-expressions.ts';

/** Devices and their connections, gateway by gateway. */
export const gatewayDashboard: Dashboard = {
  uid: 'breakwater-gateway',
  title: 'Breakwater: gateways',
  rows: [
    {
      title: 'Connections',
      panels: [
        count('Open', 'MQTT sessions of each gateway.', { '{{instance}}': sum('mqtt_connections', 'instance') }),
        perSecond('CONNECTs', 'By result. 0x88 and 0x89 are come later: stopping, or too full.', {
          '{{result}}': rate('mqtt_connects_total', 'result'),
        }),
        perSecond('Ends', 'By reason.', { '{{reason}}': rate('mqtt_closes_total', 'reason') }),
        count('Sessions without a connection', 'Kept in memory for devices that will come back.', {
          '{{instance}}': sum('mqtt_detached_sessions', 'instance'),
        }),
        count('Bans', 'In force, of devices and addresses.', { bans: max('bans') }),
        perSecond('Messages to devices', 'By result.', { '{{result}}': rate('downlinks_total', 'result') }),
      ],
    },
    {
      title: 'Into the log',
      panels: [
        perSecond('Messages', 'By gateway and QoS.', {
          '{{instance}} QoS {{qos}}': rate('mqtt_messages_received_total', 'instance', 'qos'),
        }),
        seconds('One append', 'Until the log has a batch, durable.', latencies('log_append_seconds', 'append')),
        perSecond('Appends that are repeated', 'The log is full or silent: acknowledgements are withheld.', {
          '{{instance}}': rate('log_append_retries_total', 'instance'),
        }),
      ],
    },
    {
      title: 'Under too much',
      panels: [
        bytes('Waits for the log', 'Bytes; BreakwaterQueueFillsSoon fires before it is full.', {
          '{{instance}}': sum('append_queue_bytes', 'instance'),
        }),
        count('Measures', 'Which are taken now, by how many gateways.', {
          '{{measure}}': sum('overload_measure', 'measure'),
        }),
        perSecond('Held back', 'Messages that waited for a publish rate, and sockets that were not read for a while.', {
          'rate: {{cause}}': rate('mqtt_publishes_held_total', 'cause'),
          'not read: {{cause}}': rate('mqtt_reading_stopped_total', 'cause'),
        }),
        perSecond('Shed', 'QoS 0 by tenant. One tenant alone is its own matter; all of them are ours.', {
          '{{tenant}} {{reason}}': rate('shed_total', 'tenant', 'reason'),
        }),
      ],
    },
  ],
};

import type { Dashboard } from './dashboard.ts';
import { max, rate, sum } from './metric-expressions.ts';
import { latencies } from './overview-dashboard.ts';

/** Devices and their connections, gateway by gateway. */
export const gatewayDashboard: Dashboard = {
  uid: 'breakwater-gateway',
  title: 'Breakwater: gateways',
  rows: [
    {
      title: 'Connections',
      panels: [
        {
          title: 'Open',
          about: 'MQTT sessions of each gateway.',
          unit: 'short',
          queries: [{ expr: sum('mqtt_connections', 'instance'), legend: '{{instance}}' }],
        },
        {
          title: 'CONNECTs',
          about: 'By result. 0x88 and 0x89 are come later: stopping, or too full.',
          unit: 'reqps',
          queries: [{ expr: rate('mqtt_connects_total', 'result'), legend: '{{result}}' }],
        },
        {
          title: 'Ends',
          about: 'By reason.',
          unit: 'reqps',
          queries: [{ expr: rate('mqtt_closes_total', 'reason'), legend: '{{reason}}' }],
        },
        {
          title: 'Sessions without a connection',
          about: 'Kept in memory for devices that will come back.',
          unit: 'short',
          queries: [{ expr: sum('mqtt_detached_sessions', 'instance'), legend: '{{instance}}' }],
        },
        {
          title: 'Bans',
          about: 'In force, of devices and addresses.',
          unit: 'short',
          queries: [{ expr: max('bans'), legend: 'bans' }],
        },
        {
          title: 'Messages to devices',
          about: 'By result.',
          unit: 'reqps',
          queries: [{ expr: rate('downlinks_total', 'result'), legend: '{{result}}' }],
        },
      ],
    },
    {
      title: 'Into the log',
      panels: [
        {
          title: 'Messages',
          about: 'By gateway and QoS.',
          unit: 'reqps',
          queries: [
            { expr: rate('mqtt_messages_received_total', 'instance', 'qos'), legend: '{{instance}} QoS {{qos}}' },
          ],
        },
        {
          title: 'One append',
          about: 'Until the log has a batch, durable.',
          unit: 's',
          queries: latencies('log_append_seconds', 'append'),
        },
        {
          title: 'Appends that are repeated',
          about: 'The log is full or silent: acknowledgements are withheld.',
          unit: 'reqps',
          queries: [{ expr: rate('log_append_retries_total', 'instance'), legend: '{{instance}}' }],
        },
      ],
    },
    {
      title: 'Under too much',
      panels: [
        {
          title: 'Waits for the log',
          about: 'Bytes; BreakwaterQueueFillsSoon fires before it is full.',
          unit: 'bytes',
          queries: [{ expr: sum('append_queue_bytes', 'instance'), legend: '{{instance}}' }],
        },
        {
          title: 'Measures',
          about: 'Which are taken now, by how many gateways.',
          unit: 'short',
          queries: [{ expr: sum('overload_measure', 'measure'), legend: '{{measure}}' }],
        },
        {
          title: 'Held back',
          about: 'Messages that waited for a publish rate, and sockets that were not read for a while.',
          unit: 'reqps',
          queries: [
            { expr: rate('mqtt_publishes_held_total', 'cause'), legend: 'rate: {{cause}}' },
            { expr: rate('mqtt_reading_stopped_total', 'cause'), legend: 'not read: {{cause}}' },
          ],
        },
        {
          title: 'Shed',
          about: 'QoS 0 by tenant. One tenant alone is its own matter; all of them are ours.',
          unit: 'reqps',
          queries: [{ expr: rate('shed_total', 'tenant', 'reason'), legend: '{{tenant}} {{reason}}' }],
        },
      ],
    },
  ],
};

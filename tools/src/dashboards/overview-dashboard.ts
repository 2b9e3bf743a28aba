import type { Dashboard, Query } from './dashboard.ts';
import {
  ageOf,
  cpuOfProcesses,
  eventLoopLag,
  fillOf,
  max,
  min,
  quantile,
  rate,
  sum,
  type SHOWN_METRICS,
} from './metric-expressions.ts';

type Latency = Parameters<typeof quantile>[1] & keyof typeof SHOWN_METRICS;

/** Half of all, and all but one in a hundred. */
export function latencies(name: Latency, what: string): Query[] {
  return [
    { expr: quantile(0.5, name), legend: `${what} p50` },
    { expr: quantile(0.99, name), legend: `${what} p99` },
  ];
}

/** What to look at first: does it flow, how late, is anything lost, and what is full next. */
export const overviewDashboard: Dashboard = {
  uid: 'breakwater-overview',
  title: 'Breakwater: overview',
  rows: [
    {
      title: 'Does it flow?',
      panels: [
        {
          title: 'Messages from devices',
          about: 'By kind, over all gateways.',
          unit: 'reqps',
          queries: [{ expr: rate('mqtt_messages_received_total', 'kind'), legend: '{{kind}}' }],
        },
        {
          title: 'Records through twins and rows',
          about: 'What the twin-workers and the telemetry-writer take from the log. Both follow the messages.',
          unit: 'reqps',
          queries: [
            { expr: rate('twin_records_total'), legend: 'twins' },
            { expr: rate('writer_records_total'), legend: 'writer' },
          ],
        },
        {
          title: 'Connections',
          about: 'Open MQTT sessions of all gateways.',
          unit: 'short',
          queries: [{ expr: sum('mqtt_connections'), legend: 'open' }],
        },
      ],
    },
    {
      title: 'How late is it?',
      panels: [
        {
          title: 'Until the acknowledgement',
          about: 'From a QoS 1 or 2 message to its PUBACK: it is durable then.',
          unit: 's',
          queries: latencies('mqtt_publish_ack_seconds', 'PUBACK'),
        },
        {
          title: 'Until the twin',
          about: 'BreakwaterTwinsLag fires above ten seconds.',
          unit: 's',
          queries: latencies('log_to_twin_seconds', 'twin'),
          alarmFrom: 10,
        },
        {
          title: 'Until the row',
          about: 'From the measurement to ClickHouse. BreakwaterRowsLag fires above thirty seconds.',
          unit: 's',
          queries: latencies('device_to_row_seconds', 'row'),
          alarmFrom: 30,
        },
      ],
    },
    {
      title: 'Is anything lost?',
      panels: [
        {
          title: 'Ledger',
          about: 'Records that a consumer did not account for. Anything but zero is a fault.',
          unit: 'short',
          queries: [{ expr: sum('ledger_imbalance', 'consumer', 'lane'), legend: '{{consumer}} {{lane}}' }],
          alarmFrom: 1,
        },
        {
          title: 'Age of the last check',
          about: 'BreakwaterLedgerUnchecked fires above five minutes.',
          unit: 's',
          queries: [{ expr: ageOf('ledger_checked_seconds'), legend: 'age' }],
          alarmFrom: 300,
        },
        {
          title: 'Let go of before the log',
          about: 'QoS 0 that was shed, and messages that became dead letters, by reason.',
          unit: 'reqps',
          queries: [
            { expr: rate('shed_total', 'reason'), legend: 'shed: {{reason}}' },
            { expr: rate('ingest_rejected_total', 'reason'), legend: 'dead letter: {{reason}}' },
          ],
        },
      ],
    },
    {
      title: 'What is full next?',
      panels: [
        {
          title: 'Fill of the queues',
          about: 'The fullest of each, as a part of what it may hold.',
          unit: 'percentunit',
          queries: [{ expr: fillOf(['queue_used', 'queue_max'], 'service', 'queue'), legend: '{{service}} {{queue}}' }],
          alarmFrom: 0.95,
        },
        {
          title: 'Headroom',
          about: 'Seconds until a queue is full, if it goes on filling as it does now.',
          unit: 's',
          queries: [{ expr: min('headroom_seconds', 'service', 'queue'), legend: '{{service}} {{queue}}' }],
        },
        {
          title: 'Memory',
          about: 'What each process holds, as a part of what it may.',
          unit: 'percentunit',
          queries: [
            {
              expr: fillOf(['memory_used_bytes', 'memory_max_bytes'], 'service', 'instance'),
              legend: '{{service}} {{instance}}',
            },
          ],
          alarmFrom: 0.85,
        },
        {
          title: 'Processor',
          about: 'Cores that each process uses. A process has one thread for its work.',
          unit: 'short',
          queries: [{ expr: cpuOfProcesses(), legend: '{{service}} {{instance}}' }],
        },
        {
          title: 'Event loop',
          about: 'How long a turn of the event loop is late, p99.',
          unit: 's',
          queries: [{ expr: eventLoopLag(), legend: '{{service}} {{instance}}' }],
        },
        {
          title: 'Partitions that are stopped',
          about: 'They wait for an operator: BreakwaterPartitionStopped.',
          unit: 'short',
          queries: [{ expr: max('partitions_stopped', 'service'), legend: '{{service}}' }],
          alarmFrom: 1,
        },
      ],
    },
  ],
};

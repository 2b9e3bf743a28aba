import { count, perSecond, seconds, share, type Dashboard } from './dashboard.ts';
import { ageOf, cpuOfProcesses, eventLoopLag, fillOf, latencies, max, min, rate, sum } from './metric-expressions.ts';

/** What to look at first: does it flow, how late, is anything lost, and what is full next. */
export const overviewDashboard: Dashboard = {
  uid: 'breakwater-overview',
  title: 'Breakwater: overview',
  rows: [
    {
      title: 'Does it flow?',
      panels: [
        perSecond('Messages from devices', 'By kind, over all gateways.', {
          '{{kind}}': rate('mqtt_messages_received_total', 'kind'),
        }),
        perSecond(
          'Records through twins and rows',
          'What the twin-workers and the telemetry-writer take from the log. Both follow the messages.',
          { twins: rate('twin_records_total'), writer: rate('writer_records_total') },
        ),
        count('Connections', 'Open MQTT sessions of all gateways.', { open: sum('mqtt_connections') }),
      ],
    },
    {
      title: 'How late is it?',
      panels: [
        seconds(
          'Until the acknowledgement',
          'From a QoS 1 or 2 message to its PUBACK: it is durable then.',
          latencies('mqtt_publish_ack_seconds', 'PUBACK'),
        ),
        {
          ...seconds(
            'Until the twin',
            'BreakwaterTwinsLag fires above ten seconds.',
            latencies('log_to_twin_seconds', 'twin'),
          ),
          alarmFrom: 10,
        },
        {
          ...seconds(
            'Until the row',
            'From the measurement to ClickHouse. BreakwaterRowsLag fires above thirty seconds.',
            latencies('device_to_row_seconds', 'row'),
          ),
          alarmFrom: 30,
        },
      ],
    },
    {
      title: 'Is anything lost?',
      panels: [
        {
          ...count('Ledger', 'Records that a consumer did not account for. Anything but zero is a fault.', {
            '{{consumer}} {{lane}}': sum('ledger_imbalance', 'consumer', 'lane'),
          }),
          alarmFrom: 1,
        },
        {
          ...seconds('Age of the last check', 'BreakwaterLedgerUnchecked fires above five minutes.', {
            age: ageOf('ledger_checked_seconds'),
          }),
          alarmFrom: 300,
        },
        perSecond(
          'Let go of before the log',
          'QoS 0 that was shed, and messages that became dead letters, by reason.',
          {
            'shed: {{reason}}': rate('shed_total', 'reason'),
            'dead letter: {{reason}}': rate('ingest_rejected_total', 'reason'),
          },
        ),
      ],
    },
    {
      title: 'What is full next?',
      panels: [
        {
          ...share('Fill of the queues', 'The fullest of each, as a part of what it may hold.', {
            '{{service}} {{queue}}': fillOf(['queue_used', 'queue_max'], 'service', 'queue'),
          }),
          alarmFrom: 0.95,
        },
        seconds('Headroom', 'Seconds until a queue is full, if it goes on filling as it does now.', {
          '{{service}} {{queue}}': min('headroom_seconds', 'service', 'queue'),
        }),
        {
          ...share('Memory', 'What each process holds, as a part of what it may.', {
            '{{service}} {{instance}}': fillOf(['memory_used_bytes', 'memory_max_bytes'], 'service', 'instance'),
          }),
          alarmFrom: 0.85,
        },
        count('Processor', 'Cores that each process uses. A process has one thread for its work.', {
          '{{service}} {{instance}}': cpuOfProcesses(),
        }),
        seconds('Event loop', 'How long a turn of the event loop is late, p99.', {
          '{{service}} {{instance}}': eventLoopLag(),
        }),
        {
          ...count('Partitions that are stopped', 'They wait for an operator: BreakwaterPartitionStopped.', {
            '{{service}}': max('partitions_stopped', 'service'),
          }),
          alarmFrom: 1,
        },
      ],
    },
  ],
};

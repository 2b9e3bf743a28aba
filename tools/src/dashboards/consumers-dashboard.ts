import type { Dashboard } from './dashboard.ts';
import { countRate, max, quantile, rate, sum } from './metric-expressions.ts';
import { latencies } from './overview-dashboard.ts';

/** Twin-workers, telemetry-writer and API: what follows the log, and what is asked of it. */
export const consumersDashboard: Dashboard = {
  uid: 'breakwater-consumers',
  title: 'Breakwater: twins, rows and API',
  rows: [
    {
      title: 'Twins',
      panels: [
        {
          title: 'Shards',
          about: 'By worker. Together as many as there are partitions; fewer for longer than a moment is an outage.',
          unit: 'short',
          queries: [
            { expr: sum('twin_shards', 'instance'), legend: '{{instance}}' },
            { expr: sum('twin_shards'), legend: 'all' },
          ],
        },
        {
          title: 'Records',
          about: 'By lane and outcome.',
          unit: 'reqps',
          queries: [{ expr: rate('twin_records_total', 'lane', 'outcome'), legend: '{{lane}} {{outcome}}' }],
        },
        {
          title: 'From device to twin',
          about: 'Measured by the clock of the device where it has one.',
          unit: 's',
          queries: latencies('device_to_twin_seconds', 'twin'),
        },
        {
          title: 'Commits',
          about: 'And those that were refused, by code: STALE_EPOCH is a former owner.',
          unit: 'reqps',
          queries: [
            { expr: rate('twin_commits_total'), legend: 'commits' },
            { expr: rate('twin_commits_refused_total', 'code'), legend: 'refused: {{code}}' },
          ],
        },
        {
          title: 'Records of one commit',
          about: 'Large under load: batches are what makes it cheap.',
          unit: 'short',
          queries: latencies('twin_batch_records', 'records'),
        },
        {
          title: 'Ends of shards, and failures',
          about: 'By reason, and by place of what is tried again.',
          unit: 'reqps',
          queries: [
            { expr: rate('twin_shard_ends_total', 'reason'), legend: 'end: {{reason}}' },
            { expr: rate('worker_failures_total', 'place'), legend: 'failure: {{place}}' },
            { expr: rate('dead_letters_total', 'code'), legend: 'dead letter: {{code}}' },
          ],
        },
      ],
    },
    {
      title: 'Rows',
      panels: [
        {
          title: 'Records and bytes',
          about: 'What was inserted, or needed no storing.',
          unit: 'short',
          queries: [
            { expr: rate('writer_records_total'), legend: 'records/s' },
            { expr: rate('writer_bytes_total'), legend: 'bytes/s' },
          ],
        },
        {
          title: 'One round',
          about: 'From a plan to its confirmation by ClickHouse.',
          unit: 's',
          queries: latencies('writer_round_seconds', 'round'),
        },
        {
          title: 'Trouble with ClickHouse',
          about: 'Tries that failed; 1 on the second line is an insert that is refused and will not pass by itself.',
          unit: 'short',
          queries: [
            { expr: rate('writer_failures_total'), legend: 'failures/s' },
            { expr: max('writer_refused'), legend: 'refused' },
          ],
        },
        {
          title: 'Held in memory',
          about: 'Lines that wait for the next round.',
          unit: 'bytes',
          queries: [{ expr: sum('writer_buffered_bytes', 'instance'), legend: '{{instance}}' }],
        },
      ],
    },
    {
      title: 'API',
      panels: [
        {
          title: 'Requests',
          about: 'By status.',
          unit: 'reqps',
          queries: [{ expr: countRate('http_request_seconds', 'status'), legend: '{{status}}' }],
        },
        {
          title: 'Time of an answer',
          about: 'p99 by route.',
          unit: 's',
          queries: [
            { expr: quantile(0.99, 'http_request_seconds', 'method', 'route'), legend: '{{method}} {{route}}' },
          ],
        },
      ],
    },
  ],
};

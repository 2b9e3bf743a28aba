import { bytes, count, perSecond, seconds, type Dashboard } from './dashboard.ts';
import { countRate, latencies, max, quantile, rate, sum } from './metric-expressions.ts';

/** Twin-workers, telemetry-writer and API: what follows the log, and what is asked of it. */
export const consumersDashboard: Dashboard = {
  uid: 'breakwater-consumers',
  title: 'Breakwater: twins, rows and API',
  rows: [
    {
      title: 'Twins',
      panels: [
        count(
          'Shards',
          'By worker. Together as many as there are partitions; fewer for longer than a moment is an outage.',
          { '{{instance}}': sum('twin_shards', 'instance'), all: sum('twin_shards') },
        ),
        perSecond('Records', 'By lane and outcome.', {
          '{{lane}} {{outcome}}': rate('twin_records_total', 'lane', 'outcome'),
        }),
        seconds(
          'From device to twin',
          'Measured by the clock of the device where it has one.',
          latencies('device_to_twin_seconds', 'twin'),
        ),
        perSecond('Commits', 'And those that were refused, by code: STALE_EPOCH is a former owner.', {
          commits: rate('twin_commits_total'),
          'refused: {{code}}': rate('twin_commits_refused_total', 'code'),
        }),
        count(
          'Records of one commit',
          'Large under load: batches are what makes it cheap.',
          latencies('twin_batch_records', 'records'),
        ),
        perSecond('Ends of shards, and failures', 'By reason, and by place of what is tried again.', {
          'end: {{reason}}': rate('twin_shard_ends_total', 'reason'),
          'failure: {{place}}': rate('worker_failures_total', 'place'),
          'dead letter: {{code}}': rate('dead_letters_total', 'code'),
        }),
      ],
    },
    {
      title: 'Rows',
      panels: [
        count('Records and bytes', 'What was inserted, or needed no storing.', {
          'records/s': rate('writer_records_total'),
          'bytes/s': rate('writer_bytes_total'),
        }),
        seconds(
          'One round',
          'From a plan to its confirmation by ClickHouse.',
          latencies('writer_round_seconds', 'round'),
        ),
        count(
          'Trouble with ClickHouse',
          'Tries that failed; 1 on the second line is an insert that is refused and will not pass by itself.',
          { 'failures/s': rate('writer_failures_total'), refused: max('writer_refused') },
        ),
        bytes('Held in memory', 'Lines that wait for the next round.', {
          '{{instance}}': sum('writer_buffered_bytes', 'instance'),
        }),
      ],
    },
    {
      title: 'API',
      panels: [
        perSecond('Requests', 'By status.', { '{{status}}': countRate('http_request_seconds', 'status') }),
        seconds('Time of an answer', 'p99 by route.', {
          '{{method}} {{route}}': quantile(0.99, 'http_request_seconds', 'method', 'route'),
        }),
      ],
    },
  ],
};

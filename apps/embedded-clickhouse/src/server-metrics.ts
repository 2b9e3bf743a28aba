import { Gauge, type Counter, type Histogram, type Metrics } from '@breakwater/observability';

import type { BodyBudget } from './http-body.ts';
import type { StatementRunner } from './statement-runner.ts';

export interface ServerMetrics {
  readonly statements: Counter<'outcome'>;
  readonly seconds: Histogram<string>;
}

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function serverMetrics(metrics: Metrics, runner: StatementRunner, budget: BodyBudget): ServerMetrics {
  const lanes = [['reads', runner.reads] as const, ['writes', runner.writes] as const];
  const registers = [metrics.registry];
  // These are read when they are asked for: setting a gauge on every change costs more than what it measures.
  new Gauge({
    name: 'breakwater_clickhouse_statements',
    help: 'Statements in the server, by lane and state',
    labelNames: ['lane', 'state'],
    registers,
    collect() {
      for (const [lane, queue] of lanes) {
        this.set({ lane, state: 'waiting' }, queue.length);
        this.set({ lane, state: 'running' }, queue.running);
      }
    },
  });
  new Gauge({
    name: 'breakwater_clickhouse_body_bytes',
    help: 'Bytes of request bodies in memory',
    registers,
    collect() {
      this.set(budget.bytes);
    },
  });
  return {
    statements: metrics.counter('clickhouse_statements_total', 'Statements by outcome', ['outcome']),
    seconds: metrics.histogram('clickhouse_statement_seconds', 'Time from the complete request to the result', {
      buckets: SECONDS_BUCKETS,
    }),
  };
}

import type { ClickHouse } from '../connect-clickhouse.ts';
import { runRead } from '../read/run-read.ts';
import { chainMarkOf, type IngestPlan } from './ingest-plan.ts';
import { planFromRow, type PlanRow } from './plan-row.ts';
import { rangeOfScope, type WriterRange } from './writer-range.ts';

/** Where the chain of one range stands. */
export interface WriterChain {
  readonly range: WriterRange;
  readonly scope: string;
  /** 0 when nobody ever owned it. */
  readonly epoch: number;
  readonly closed: IngestPlan | null;
  /** Behind the closed one, if there is one. */
  readonly open: IngestPlan | null;
  /** When the newest plan was written, in ms by ClickHouse's clock; 0 without one. */
  readonly writtenAtMs: number;
}

type TimedRow = PlanRow & { readonly at_ms: string };

/** The chains of all ranges, also of those that an earlier division of the lane had. */
export async function readWriterChains(clickhouse: ClickHouse): Promise<readonly WriterChain[]> {
  const epochs = await runRead<{ scope: string; epoch: string }>(clickhouse, {
    doing: 'reading the epochs of writers',
    query: 'SELECT scope, max(epoch) AS epoch FROM {database:Identifier}.writer_epochs GROUP BY scope',
  });
  const rows = await runRead<TimedRow>(clickhouse, {
    doing: 'reading the newest plans',
    query: `SELECT *, toUnixTimestamp64Milli(at) AS at_ms FROM {database:Identifier}.ingest_plans
      WHERE (scope, number) IN (
        SELECT scope, arrayJoin([max(number), toUInt64(max(number) - 1)])
        FROM {database:Identifier}.ingest_plans GROUP BY scope
      ) ORDER BY scope, number DESC, state, epoch`,
  });
  const scopes = new Map(epochs.map(({ scope, epoch }) => [scope, Number(epoch)]));
  for (const { scope } of rows) if (!scopes.has(scope)) scopes.set(scope, 0);
  return [...scopes].flatMap(([scope, epoch]) => {
    const range = rangeOfScope(scope);
    return range === null
      ? []
      : [
          chainOf(
            { range, scope, epoch },
            rows.filter((row) => row.scope === scope),
          ),
        ];
  });
}

/** It ended when the lane was divided anew, and nobody took it up again since. */
export function isRetired({ closed, open, epoch }: WriterChain): boolean {
  return open === null && closed !== null && chainMarkOf(closed) === 'retired' && closed.epoch === epoch;
}

function chainOf(about: Pick<WriterChain, 'range' | 'scope' | 'epoch'>, rows: readonly TimedRow[]): WriterChain {
  const closed = rows.find(({ state }) => state === 'closed');
  const open = rows.find((row) => row.state === 'open' && Number(row.number) > Number(closed?.number ?? 0));
  return {
    ...about,
    closed: closed === undefined ? null : planFromRow(closed),
    open: open === undefined ? null : planFromRow(open),
    writtenAtMs: rows.reduce((latest, { at_ms: atMs }) => Math.max(latest, Number(atMs)), 0),
  };
}

import {
  type ChainMark,
  INSERT_SETTINGS,
  type IngestPlan,
  type PlanPartition,
  type PlanTenant,
} from '@breakwater/adapter-clickhouse';
import type { LogId, Partition } from '@breakwater/twin';
import type { EventLog, LogOrigin } from '@breakwater/twin-runtime';

import { carriedOver } from '../carried-over.ts';
import { totalsBeforeTenants } from '../tenant-totals.ts';

/** Where one partition is taken up. */
export interface PartitionStart {
  readonly part: PlanPartition;
  /** The plan that ended there; null where the log begins, or where a restored one has what is stored already. */
  readonly source: IngestPlan | null;
}

/**
 * Where the last plan ended; or, in a log that has no plan yet, where the log begins. A log that was restored from a
 * backup has another id and the same records: what the last plan has of it is stored already.
 *
 * After a change of the division the last plans of several chains have a partition. Each chain began where another
 * ended, so the one that came farthest is the last; and where two came as far, they have counted the same.
 */
export async function startPositions(options: {
  readonly log: EventLog;
  readonly logId: LogId;
  readonly logOrigins: readonly LogOrigin[];
  readonly partitions: readonly Partition[];
  /** The newest plans of all chains, all of them closed; the range's own first. */
  readonly lastPlans: readonly IngestPlan[];
}): Promise<readonly PartitionStart[]> {
  const { log, logId, logOrigins, partitions, lastPlans } = options;
  const known = new Map<number, PartitionStart>();
  for (const source of lastPlans.filter((plan) => plan.logId === logId)) {
    for (const part of source.partitions) {
      const before = known.get(part.partition);
      if (before !== undefined && before.part.to >= part.to) continue;
      known.set(part.partition, { part: { ...part, from: part.to }, source });
    }
  }
  const carried = lastPlans.map((plan) => carriedOver(plan, logId, logOrigins));
  const starts: PartitionStart[] = [];
  for (const partition of partitions) {
    const { first: kept } = await log.bounds('telemetry', partition);
    const first = carried.reduce((most, ends) => Math.max(most, ends?.get(partition) ?? most), kept as number);
    const fresh = { partition, from: first, to: first, stored: 0, nothingToStore: 0, dead: 0 };
    starts.push(known.get(partition) ?? { part: fresh, source: null });
  }
  return starts;
}

/** Records by tenant of the partitions that are taken up, as the plans that they come from counted them. */
export async function startTenants(
  starts: readonly PartitionStart[],
  totalsOf: (closed: IngestPlan) => Promise<readonly PlanTenant[] | null>,
): Promise<readonly PlanTenant[]> {
  const tenants: PlanTenant[] = [];
  for (const source of new Set(starts.map((start) => start.source))) {
    if (source === null) continue;
    const partitions = new Set(starts.filter((start) => start.source === source).map(({ part }) => part.partition));
    const totals = (await totalsOf(source)) ?? totalsBeforeTenants(source.partitions);
    tenants.push(...totals.filter(({ partition }) => partitions.has(partition)));
  }
  return tenants;
}

/** A plan without records, with which a chain ends or takes over. */
export function chainMark(
  mark: ChainMark,
  about: Pick<
    IngestPlan,
    'scope' | 'number' | 'epoch' | 'owner' | 'logId' | 'partitions' | 'tenantTotals' | 'blockMark'
  >,
): IngestPlan {
  return { ...about, tenants: [], days: [], records: 0, digest: mark, keptDeadLetters: {}, settings: INSERT_SETTINGS };
}

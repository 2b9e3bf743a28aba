/**
 * What the log has forgotten before it was stored, and the plans that say so. Chains of plans have one author each, the
 * writer that owns them, and none of them is taken from it here: what is skipped stands in a chain of its own, as one
 * of another division of the lane that has ended and came farther. A writer goes on from there by itself (ADR 14).
 *
 * An open plan is touched only if nobody can ever repeat it.
 */
import {
  BEFORE_TENANTS,
  type IngestPlan,
  INSERT_SETTINGS,
  type LastPlan,
  type PlanPartition,
  type PlanTenant,
  scopeOf,
  SKIPPED_RANGE,
  sumByTenant,
  type WriterChain,
} from '@breakwater/adapter-clickhouse';
import type { LogId } from '@breakwater/twin';

/** Who the ledger counts skipped records for, as nothing to store. No tenant's id can hold a parenthesis. */
export const SKIPPED = '(skipped)';

/** The first offset that the log still has, by partition. */
export type FirstOffsets = ReadonlyMap<number, number>;
/** Records of an open plan that have rows, by partition. */
export type RecordsWithRows = ReadonlyMap<number, number>;

/** Offsets that the writer would want and the log has forgotten. */
export interface ForgottenRange {
  /** Where the partition stands before it, with its counts. */
  readonly part: PlanPartition;
  /** The chain that has the partition. */
  readonly chain: WriterChain;
  /** Where the log begins. */
  readonly to: number;
}

/** The newest plan of a chain; null where it has none in this log. */
export function newestPlan({ open, closed }: WriterChain, logId: LogId): LastPlan | null {
  const plan = open ?? closed;
  return plan === null || plan.logId !== logId ? null : { plan, open: open !== null };
}

/** Whether a plan that was left open is made of records that the log has forgotten: it can never be repeated then. */
export function isUnrepeatable({ plan, open }: LastPlan, firsts: FirstOffsets): boolean {
  return open && plan.partitions.some(({ partition, from, to }) => from < to && from < (firsts.get(partition) ?? 0));
}

/** The chains as they are once every plan that nobody can repeat is closed. */
export function settledChains(
  chains: readonly WriterChain[],
  closed: ReadonlyMap<string, IngestPlan>,
): readonly WriterChain[] {
  return chains.map((chain) => {
    const plan = closed.get(chain.scope);
    return plan === undefined ? chain : { ...chain, closed: plan, open: null };
  });
}

/**
 * An open plan as far as it has come: what no row is there of was never inserted, and is before the writer again. Where
 * only some rows of a partition are there, the others are lost, and `breakwater verify` names them.
 */
export function closedAsFarAsItCame({ plan }: LastPlan, recordsWithRows: RecordsWithRows): IngestPlan {
  const untaken = plan.tenants.filter((each) => recordsWithRows.get(each.partition) === 0);
  const partitions = plan.partitions.map((part): PlanPartition => {
    if (recordsWithRows.get(part.partition) !== 0) return part;
    const own = sumOf(untaken.filter(({ partition }) => partition === part.partition));
    const { stored, nothingToStore, dead } = part;
    return {
      ...part,
      to: part.from,
      ...{ stored: stored - own.stored, nothingToStore: nothingToStore - own.nothingToStore, dead: dead - own.dead },
    };
  });
  const { tenantTotals } = plan;
  return {
    ...plan,
    partitions,
    tenants: plan.tenants.filter((each) => !untaken.includes(each)),
    tenantTotals: tenantTotals === null ? null : sumByTenant([tenantTotals, untaken.map(negated)]),
  };
}

/** By partition, ascending. Of the chains that have a partition the one that came farthest is where writers go on. */
export function forgottenRanges(
  chains: readonly WriterChain[],
  logId: LogId,
  firsts: FirstOffsets,
): readonly ForgottenRange[] {
  const stands = new Map<number, Omit<ForgottenRange, 'to'>>();
  for (const chain of chains) {
    const last = newestPlan(chain, logId);
    for (const part of last?.plan.partitions ?? []) {
      const known = stands.get(part.partition);
      if (known === undefined || known.part.to < part.to) stands.set(part.partition, { part, chain });
    }
  }
  return [...stands.values()]
    .map((stand) => ({ ...stand, to: firsts.get(stand.part.partition) ?? 0 }))
    .filter(({ part, to }) => part.to < to)
    .toSorted((a, b) => a.part.partition - b.part.partition);
}

/**
 * The plan that lets writers go on behind these ranges. What is skipped is counted, so that the ledger has an outcome
 * for it and shows how much it was.
 *
 * @param totalsOf records by tenant up to a chain's closed plan; null when plans of an older build do not say it
 */
export function skippingPlan(
  ranges: readonly ForgottenRange[],
  before: IngestPlan | null,
  about: Pick<IngestPlan, 'epoch' | 'owner' | 'logId' | 'blockMark'> & {
    readonly totalsOf: (chain: WriterChain) => readonly PlanTenant[] | null;
  },
): IngestPlan {
  const { totalsOf, ...author } = about;
  const own = new Set(ranges.map(({ part }) => part.partition));
  // What was skipped earlier may not have been taken up yet.
  const earlier = before?.logId === about.logId ? before : null;
  const tenants = ranges.map(({ part, to }): PlanTenant => ({
    ...{ partition: part.partition, tenant: SKIPPED, stored: 0, nothingToStore: to - part.to, dead: 0 },
  }));
  const totals = ranges.map(({ part, chain }) => {
    const known = totalsOf(chain)?.filter(({ partition }) => partition === part.partition);
    const { partition, stored, nothingToStore, dead } = part;
    return known ?? [{ partition, tenant: BEFORE_TENANTS, stored, nothingToStore, dead }];
  });
  const ofEarlier = earlier?.tenantTotals?.filter(({ partition }) => !own.has(partition)) ?? [];
  return {
    ...author,
    ...{ scope: scopeOf(SKIPPED_RANGE), number: (before?.number ?? 0) + 1, tenants },
    ...{ days: [], records: 0, digest: 'retired', keptDeadLetters: {}, settings: INSERT_SETTINGS },
    partitions: [
      ...(earlier?.partitions.filter(({ partition }) => !own.has(partition)) ?? []),
      ...ranges.map(({ part, to }) => {
        return { ...part, from: to, to, nothingToStore: part.nothingToStore + to - part.to };
      }),
    ].toSorted((a, b) => a.partition - b.partition),
    tenantTotals: sumByTenant([...totals, ofEarlier, tenants]),
  };
}

function sumOf(tenants: readonly PlanTenant[]): Pick<PlanTenant, 'stored' | 'nothingToStore' | 'dead'> {
  return tenants.reduce(
    (sum, each) => ({
      stored: sum.stored + each.stored,
      nothingToStore: sum.nothingToStore + each.nothingToStore,
      dead: sum.dead + each.dead,
    }),
    { stored: 0, nothingToStore: 0, dead: 0 },
  );
}

function negated(each: PlanTenant): PlanTenant {
  return { ...each, stored: -each.stored, nothingToStore: -each.nothingToStore, dead: -each.dead };
}

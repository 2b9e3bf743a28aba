import type { LogId, Offset, Partition } from '@breakwater/twin';
import type { WriterAudit, WriterLedger, WriterLedgerEntry } from '@breakwater/twin-runtime';
import { LIMITS } from '@breakwater/wire';

import type { ClickHouse } from '../connect-clickhouse.ts';
import { chainMarkOf, type IngestPlan, type PlanPartition, type PlanTenant } from '../ingest/ingest-plan.ts';
import { PlanStore } from '../ingest/plan-store.ts';
import { type AuditedPlan, plansWithRows } from '../ingest/plans-with-rows.ts';
import { RowIdentity } from '../ingest/row-identity.ts';
import { readWriterChains, type WriterChain } from '../ingest/writer-chains.ts';

const DAY_MS = 86_400_000;
const NOTHING_COMPARED: WriterAudit = { plans: null, recordsMissing: 0, repeatedRows: 0 };

/** One partition as the chain says that is its own at present. */
interface PartitionStand {
  readonly chain: WriterChain;
  readonly part: PlanPartition;
  /** The plan that says so: the closed one, or, while there is none, the one that is open. */
  readonly plan: IngestPlan;
}

/** What the newest plan of each range says: an open one is not counted yet, its records are still in flight. */
export class ClickHouseWriterLedger implements WriterLedger {
  readonly #clickhouse: ClickHouse;
  readonly #rows: RowIdentity;
  /** Where the counts of a log begin in a chain; does not change while the log is the same. */
  readonly #began = new Map<string, { readonly logId: LogId; readonly at: ReadonlyMap<number, number> }>();

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse;
    this.#rows = new RowIdentity(clickhouse);
  }

  async readWriterLedger(): Promise<readonly WriterLedgerEntry[]> {
    const stands = partitionStands(await readWriterChains(this.#clickhouse));
    const entries: WriterLedgerEntry[] = [];
    for (const [chain, ofChain] of groupedByChain(stands)) {
      const { closed } = chain;
      const plans = new PlanStore(this.#clickhouse, chain.range);
      const began = closed === null ? NOTHING_BEGAN : await this.#beganOf(plans, chain.scope, closed.logId);
      const totals = closed === null ? [] : await plans.tenantTotals(closed);
      for (const stand of ofChain) entries.push(entryOf(stand, began, totals));
    }
    return entries.toSorted((a, b) => a.partition - b.partition);
  }

  /** Up to where each partition of a log is stored, whichever range has it. */
  async storedPositions(logId: LogId): Promise<ReadonlyMap<Partition, Offset>> {
    const stands = [...partitionStands(await readWriterChains(this.#clickhouse)).values()];
    const ofLog = stands.filter(({ plan }) => plan.logId === logId);
    return new Map(ofLog.map((stand) => [stand.part.partition as Partition, positionOf(stand) as Offset]));
  }

  async auditNewest(logId: LogId, plansMax: number): Promise<WriterAudit> {
    const oldestDay = Math.floor(Date.now() / DAY_MS) - LIMITS.rawRetentionDays + 1;
    let audit = NOTHING_COMPARED;
    for (const { range } of await readWriterChains(this.#clickhouse)) {
      const plans = await new PlanStore(this.#clickhouse, range).closedPlans(logId, plansMax);
      const run = plansWithRows(plans, oldestDay).at(-1);
      if (run !== undefined) audit = addAudit(audit, await this.#auditRun(run));
    }
    return audit;
  }

  async #auditRun(run: readonly AuditedPlan[]): Promise<WriterAudit> {
    const plans = run.map(({ plan }) => plan);
    const [first, last] = [plans[0], plans.at(-1)];
    if (first === undefined || last === undefined) return NOTHING_COMPARED;
    const found = await this.#rows.storedOfPlans(plans, { everywhere: false });
    return {
      plans: { first: first.number, last: last.number },
      recordsMissing: run.reduce((sum, { stored }) => sum + stored, 0) - found.records,
      repeatedRows: found.repeatedRows,
    };
  }

  /** By the oldest plan that is kept: from then on each record that was taken must have been counted. */
  async #beganOf(plans: PlanStore, scope: string, logId: LogId): Promise<ReadonlyMap<number, number>> {
    const known = this.#began.get(scope);
    if (known?.logId === logId) return known.at;
    const oldest = await plans.oldestClosedPlan(logId);
    if (oldest === null) return NOTHING_BEGAN;
    const at = new Map(oldest.partitions.map((part) => [part.partition, part.to - countedBy(part)]));
    this.#began.set(scope, { logId, at });
    return at;
  }
}

const NOTHING_BEGAN: ReadonlyMap<number, number> = new Map();

/**
 * Of each partition the chain that has it at present. Where the lane was divided anew several chains have it: one that
 * is not retired goes before those that are, in one log the one that came farthest, and else the one written last.
 */
function partitionStands(chains: readonly WriterChain[]): ReadonlyMap<number, PartitionStand> {
  const stands = new Map<number, PartitionStand>();
  for (const chain of chains) {
    const plan = chain.closed ?? chain.open;
    for (const part of plan?.partitions ?? []) {
      const stand = { chain, part, plan: plan as IngestPlan };
      const known = stands.get(part.partition);
      if (known === undefined || isNewer(stand, known)) stands.set(part.partition, stand);
    }
  }
  return stands;
}

function isNewer(stand: PartitionStand, known: PartitionStand): boolean {
  const isOver = ({ plan }: PartitionStand): boolean => chainMarkOf(plan) === 'retired';
  if (stand.plan.logId !== known.plan.logId) {
    return isOver(stand) === isOver(known) ? stand.chain.writtenAtMs > known.chain.writtenAtMs : isOver(known);
  }
  const [to, knownTo] = [positionOf(stand), positionOf(known)];
  return to === knownTo ? isOver(known) && !isOver(stand) : to > knownTo;
}

function positionOf({ chain, part }: PartitionStand): number {
  return chain.closed === null ? part.from : part.to;
}

function groupedByChain(stands: ReadonlyMap<number, PartitionStand>): Map<WriterChain, PartitionStand[]> {
  const groups = new Map<WriterChain, PartitionStand[]>();
  for (const stand of stands.values()) {
    const group = groups.get(stand.chain);
    if (group === undefined) groups.set(stand.chain, [stand]);
    else group.push(stand);
  }
  return groups;
}

function entryOf(
  stand: PartitionStand,
  began: ReadonlyMap<number, number>,
  totals: readonly PlanTenant[] | null,
): WriterLedgerEntry {
  const { chain, part, plan } = stand;
  const isCounted = chain.closed !== null;
  const position = positionOf(stand);
  const inPlan = chain.open?.partitions.find(({ partition }) => partition === part.partition);
  return {
    partition: part.partition as Partition,
    position,
    counts: isCounted
      ? { stored: part.stored, nothingToStore: part.nothingToStore, dead: part.dead }
      : { stored: 0, nothingToStore: 0, dead: 0 },
    tenants: totals === null ? null : countsByTenant(totals, part.partition),
    openPlans: inPlan !== undefined && inPlan.from < inPlan.to ? 1 : 0,
    logId: plan.logId,
    began: isCounted ? (began.get(part.partition) ?? position - countedBy(part)) : position,
  };
}

function addAudit(sum: WriterAudit, one: WriterAudit): WriterAudit {
  return {
    plans:
      sum.plans === null || one.plans === null
        ? (sum.plans ?? one.plans)
        : { first: Math.min(sum.plans.first, one.plans.first), last: Math.max(sum.plans.last, one.plans.last) },
    recordsMissing: sum.recordsMissing + one.recordsMissing,
    repeatedRows: sum.repeatedRows + one.repeatedRows,
  };
}

function countedBy({ stored, nothingToStore, dead }: PlanPartition): number {
  return stored + nothingToStore + dead;
}

function countsByTenant(totals: readonly PlanTenant[], partition: number): WriterLedgerEntry['tenants'] {
  const ofPartition = totals.filter((each) => each.partition === partition);
  return Object.fromEntries(
    ofPartition.map(({ tenant, stored, nothingToStore, dead }) => [tenant, { stored, nothingToStore, dead }]),
  );
}

import type { LogId, Partition } from '@breakwater/twin';
import type { WriterAudit, WriterLedger, WriterLedgerEntry } from '@breakwater/twin-runtime';
import { LIMITS } from '@breakwater/wire';

import type { ClickHouse } from '../connect-clickhouse.ts';
import type { PlanPartition, PlanTenant } from '../ingest/ingest-plan.ts';
import { PlanStore } from '../ingest/plan-store.ts';
import { plansWithRows } from '../ingest/plans-with-rows.ts';
import { RowIdentity } from '../ingest/row-identity.ts';

const DAY_MS = 86_400_000;
const NOTHING_COMPARED: WriterAudit = { plans: null, recordsMissing: 0, repeatedRows: 0 };

/** What the writer's last plan says: an open one is not counted yet, its records are still in flight. */
export class ClickHouseWriterLedger implements WriterLedger {
  readonly #plans: PlanStore;
  readonly #rows: RowIdentity;
  /** Where the counts of a log begin; does not change while the log is the same. */
  #began: { readonly logId: LogId; readonly at: ReadonlyMap<number, number> } | null = null;

  constructor(clickhouse: ClickHouse) {
    this.#plans = new PlanStore(clickhouse);
    this.#rows = new RowIdentity(clickhouse);
  }

  async readWriterLedger(): Promise<readonly WriterLedgerEntry[]> {
    const { closed, open } = await this.#plans.newestPlans();
    const plan = closed ?? open;
    if (plan === null) return [];
    const began = await this.#beganOf(plan.logId);
    const totals = closed === null ? [] : await this.#plans.tenantTotals(closed);
    return plan.partitions.map((part) => {
      const inPlan = open?.partitions.find(({ partition }) => partition === part.partition);
      const position = closed === null ? part.from : part.to;
      return {
        partition: part.partition as Partition,
        position,
        counts:
          closed === null
            ? { stored: 0, nothingToStore: 0, dead: 0 }
            : { stored: part.stored, nothingToStore: part.nothingToStore, dead: part.dead },
        tenants: totals === null ? null : countsByTenant(totals, part.partition),
        openPlans: inPlan !== undefined && inPlan.from < inPlan.to ? 1 : 0,
        logId: plan.logId,
        began: closed === null ? position : (began.get(part.partition) ?? position - countedBy(part)),
      };
    });
  }

  async auditNewest(logId: LogId, plansMax: number): Promise<WriterAudit> {
    const plans = await this.#plans.closedPlans(logId, plansMax);
    const oldestDay = Math.floor(Date.now() / DAY_MS) - LIMITS.rawRetentionDays + 1;
    const run = plansWithRows(plans, oldestDay).at(-1);
    const [first, last] = [run?.[0], run?.at(-1)];
    if (run === undefined || first === undefined || last === undefined) return NOTHING_COMPARED;
    const look = { everywhere: false };
    const found = await this.#rows.storedOfPlans(
      run.map(({ plan }) => plan),
      look,
    );
    return {
      plans: { first: first.plan.number, last: last.plan.number },
      recordsMissing: run.reduce((sum, { stored }) => sum + stored, 0) - found.records,
      repeatedRows: found.repeatedRows,
    };
  }

  /** By the oldest plan that is kept: from then on each record that was taken must have been counted. */
  async #beganOf(logId: LogId): Promise<ReadonlyMap<number, number>> {
    if (this.#began?.logId === logId) return this.#began.at;
    const oldest = await this.#plans.oldestClosedPlan(logId);
    if (oldest === null) return new Map();
    const at = new Map(oldest.partitions.map((part) => [part.partition, part.to - countedBy(part)]));
    this.#began = { logId, at };
    return at;
  }
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

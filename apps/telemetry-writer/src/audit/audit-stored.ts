import { plansWithRows, type AuditedPlan, type IngestPlan } from '@breakwater/adapter-clickhouse';
import type { Logger } from '@breakwater/observability';
import type { LogId, Partition } from '@breakwater/twin';
import { PlatformError, type EventLog } from '@breakwater/twin-runtime';

import { recutPlan } from '../settle/recut-plan.ts';
import { DayInserter, type InsertStores } from '../store/insert-days.ts';

export interface AuditStores extends InsertStores {
  readonly plans: {
    closedPlans(logId: LogId, plansMax: number): Promise<readonly IngestPlan[]>;
    blocksPlannedSince(closed: IngestPlan): Promise<number>;
  };
  readonly rows: {
    storedOfPlans(
      plans: readonly IngestPlan[],
      look: { readonly everywhere: boolean },
    ): Promise<{ readonly records: number; readonly repeatedRows: number }>;
  };
}

export interface AuditParts {
  readonly log: EventLog;
  readonly stores: AuditStores;
  readonly logger: Logger;
  readonly logId: LogId;
  readonly epoch: number;
  readonly windowBlocks: number;
  /** Other ranges have writers, whose blocks the tables count as well. */
  readonly isShared: boolean;
  /** Days (since 1970) before this have no raw rows any more, or are about to lose them. */
  readonly oldestDay: number;
}

/** What does not agree after everything that could be repeated was. */
export interface AuditResult {
  readonly recordsMissing: number;
  readonly repeatedRows: number;
  readonly plans: readonly number[];
}

const AGREES: AuditResult = { recordsMissing: 0, repeatedRows: 0, plans: [] };
/** The newest plans that are looked at: a start must stay short. */
const PLANS_MAX = 256;
const RUNS_MAX = 8;
/** The part of the window that is counted on. */
const WINDOW_SHARE = 0.8;

/**
 * Compares what closed plans say with the rows that are there, independent of tokens. Where rows are missing and the
 * log still has their records, the plan's inserts are repeated under its tokens: that brings back what a table lost
 * together with the token (a dropped part), and adds nothing anywhere else.
 */
export async function auditStored(parts: AuditParts): Promise<AuditResult> {
  const plans = await parts.stores.plans.closedPlans(parts.logId, PLANS_MAX);
  let result = AGREES;
  for (const run of plansWithRows(plans, parts.oldestDay).slice(-RUNS_MAX)) {
    const difference = await differenceOf(parts, run, false);
    if (difference.recordsMissing === 0 && difference.repeatedRows === 0) continue;
    for (const audited of run) {
      const blocksSince = () => blocksBehind(parts, plans, audited);
      result = merged(result, await auditPlan(parts, audited, blocksSince));
    }
  }
  return result;
}

/** One plan alone, with all parts read, since parts may have been merged or numbered anew. */
async function auditPlan(
  parts: AuditParts,
  audited: AuditedPlan,
  blocksSince: () => Promise<number>,
): Promise<AuditResult> {
  const found = await differenceOf(parts, [audited], true);
  if (found.recordsMissing <= 0) return found;
  const isRemembered = (await blocksSince()) < parts.windowBlocks * WINDOW_SHARE;
  const repeated = isRemembered && (await repeatPlan(parts, audited.plan));
  const left = repeated ? await differenceOf(parts, [audited], true) : found;
  const about = { code: 'ROWS_MISMATCH', plan: audited.plan.number, recordsMissing: found.recordsMissing };
  if (left.recordsMissing === 0) parts.logger.warn(about, 'rows of a closed plan were missing and are back');
  return left;
}

async function repeatPlan(parts: AuditParts, plan: IngestPlan): Promise<boolean> {
  const { log, stores, logger, epoch } = parts;
  for (const { partition, from, to } of plan.partitions) {
    if (from < to && (await log.bounds('telemetry', partition as Partition)).first > from) return false;
  }
  try {
    const bodies = await recutPlan(log, plan, epoch);
    const inserter = new DayInserter(stores, logger);
    for (const { day } of plan.days) await inserter.insert(plan, day, bodies.get(day) as Buffer);
    return true;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'STALE_EPOCH') throw error;
    // Whatever it is, what is missing is still told, and the other plans are looked at.
    logger.warn({ err: error, plan: plan.number }, 'rows of a closed plan are missing and could not be repeated');
    return false;
  }
}

async function differenceOf(
  { stores }: AuditParts,
  run: readonly AuditedPlan[],
  everywhere: boolean,
): Promise<AuditResult> {
  const { records, repeatedRows } = await stores.rows.storedOfPlans(
    run.map(({ plan }) => plan),
    { everywhere },
  );
  const recordsMissing = run.reduce((sum, { stored }) => sum + stored, 0) - records;
  if (recordsMissing === 0 && repeatedRows === 0) return AGREES;
  return { recordsMissing, repeatedRows, plans: run.map(({ plan }) => plan.number) };
}

/** Inserts since a plan: each gives a table one block at most. By the plans' own count, where rows may be gone. */
async function blocksBehind(
  { stores, isShared }: AuditParts,
  plans: readonly IngestPlan[],
  { plan }: AuditedPlan,
): Promise<number> {
  if (isShared) return stores.plans.blocksPlannedSince(plan);
  return plans.reduce((blocks, { number, days }) => blocks + (number >= plan.number ? days.length : 0), 0);
}

function merged(a: AuditResult, b: AuditResult): AuditResult {
  return {
    recordsMissing: a.recordsMissing + b.recordsMissing,
    repeatedRows: a.repeatedRows + b.repeatedRows,
    plans: [...a.plans, ...b.plans],
  };
}

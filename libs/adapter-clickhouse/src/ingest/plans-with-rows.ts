import { chainMarkOf, type IngestPlan } from './ingest-plan.ts';

/** A closed plan and how many of its records must have rows. */
export interface AuditedPlan {
  readonly plan: IngestPlan;
  readonly stored: number;
}

/**
 * Cuts closed plans, ascending, into runs whose rows can be counted together: without a gap in their numbers, and all
 * of their days still kept. Counts are running totals, so the first plan only says where the second begins, unless it
 * is the first of all. Where the chain was retired or adopted it says as well from where the counts go on: between the
 * two the partitions were another's.
 */
export function plansWithRows(plans: readonly IngestPlan[], oldestDay: number): readonly (readonly AuditedPlan[])[] {
  const runs: AuditedPlan[][] = [];
  let run: AuditedPlan[] | null = null;
  plans.forEach((plan, index) => {
    const before = plans[index - 1];
    const isNext = before?.number === plan.number - 1;
    const kept = plan.days.every(({ day }) => day >= oldestDay);
    if (!kept || chainMarkOf(plan) !== null || (!isNext && plan.number !== 1)) {
      run = null;
      return;
    }
    const audited = { plan, stored: storedOf(plan) - (before === undefined ? 0 : storedOf(before)) };
    if (run === null) runs.push((run = [audited]));
    else run.push(audited);
  });
  return runs;
}

function storedOf(plan: IngestPlan): number {
  return plan.partitions.reduce((sum, { stored }) => sum + stored, 0);
}

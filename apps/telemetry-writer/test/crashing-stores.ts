import type { ClickHouse } from '@breakwater/adapter-clickhouse';
import { type InsertSettings, PlanStore } from '@breakwater/adapter-clickhouse';
import { PlatformError } from '@breakwater/twin-runtime';

import type { WriterStores } from '../src/telemetry-writer.ts';

export const CRASH_POINTS = ['afterPlan', 'afterFirstInsert', 'beforeClose', 'afterClose'] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** Ends the writer at a point of its `number`-th round, as a kill would: nothing after the point is done. */
export function crashing(at: CrashPoint, number: number): (real: WriterStores) => WriterStores {
  const crash = () => new PlatformError('TEST_CRASH', `the writer ends ${at}`);
  return (real) => ({
    ...delegating(real),
    plans: {
      ...delegating(real).plans,
      open: async (plan, closes) => {
        await real.plans.open(plan, closes);
        if (at === 'afterPlan' && plan.number >= number) throw crash();
      },
      close: async (plan) => {
        if (at === 'beforeClose' && plan.number >= number) throw crash();
        await real.plans.close(plan);
        if (at === 'afterClose' && plan.number >= number) throw crash();
      },
    },
    records: {
      ...delegating(real).records,
      insertDay: async (plan, day, lines) => {
        await real.records.insertDay(plan, day, lines);
        if (at === 'afterFirstInsert' && plan.number >= number) throw crash();
      },
    },
  });
}

/** A planted bug: every try has a token of its own. */
export function withoutTokens(real: WriterStores): WriterStores {
  let unique = 0;
  return {
    ...delegating(real),
    records: {
      ...delegating(real).records,
      insertDay: (plan, day, lines) => {
        unique += 1;
        return real.records.insertDay({ ...plan, number: plan.number * 1_000_000 + unique }, day, lines);
      },
    },
  };
}

/** A planted bug: two ranges may give their inserts the same token. */
export function withoutScopeInTokens(real: WriterStores): WriterStores {
  return {
    ...delegating(real),
    records: {
      ...delegating(real).records,
      insertDay: (plan, day, lines) => real.records.insertDay({ ...plan, scope: 'telemetry/0-of-2' }, day, lines),
    },
  };
}

/** A planted bug: no plan is stored before the insert, only the position after it. */
export function withoutPlans(clickhouse: ClickHouse): (real: WriterStores) => WriterStores {
  return (real) => ({
    ...delegating(real),
    plans: {
      ...delegating(real).plans,
      open: async () => undefined,
      lastPlan: async () => {
        const { closed } = await new PlanStore(clickhouse).newestPlans();
        return closed === null ? null : { plan: closed, open: false };
      },
    },
  });
}

/** A build whose plans have other settings for their inserts. */
export function planningWith(settings: InsertSettings): (real: WriterStores) => WriterStores {
  return (real) => ({
    ...delegating(real),
    plans: {
      ...delegating(real).plans,
      open: (plan, closes) => real.plans.open({ ...plan, settings }, closes),
    },
    records: {
      ...delegating(real).records,
      insertDay: (plan, day, lines) => real.records.insertDay({ ...plan, settings }, day, lines),
    },
  });
}

export function delegating(real: WriterStores): WriterStores {
  return {
    abandon: () => real.abandon(),
    prepare: () => real.prepare(),
    deadLetterCounts: () => real.deadLetterCounts(),
    plans: {
      takeEpoch: (owner) => real.plans.takeEpoch(owner),
      lastPlan: () => real.plans.lastPlan(),
      tenantTotals: (closed) => real.plans.tenantTotals(closed),
      open: (plan, closes) => real.plans.open(plan, closes),
      close: (plan) => real.plans.close(plan),
      closedPlans: (logId, plansMax) => real.plans.closedPlans(logId, plansMax),
      blockCounter: () => real.plans.blockCounter(),
      blocksPlannedSince: (closed) => real.plans.blocksPlannedSince(closed),
      tablesChangedSince: (plan) => real.plans.tablesChangedSince(plan),
    },
    records: {
      insertDay: (plan, day, lines) => real.records.insertDay(plan, day, lines),
      canRead: (plan, lines) => real.records.canRead(plan, lines),
    },
    rows: {
      storedOfPlans: (plans, look) => real.rows.storedOfPlans(plans, look),
      storedKinds: (plan, day) => real.rows.storedKinds(plan, day),
      repeatedRows: (plan) => real.rows.repeatedRows(plan),
      completeRollups: (plan, day) => real.rows.completeRollups(plan, day),
    },
    divisions: real.divisions,
  };
}

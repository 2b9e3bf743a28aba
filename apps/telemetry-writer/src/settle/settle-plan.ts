import type { EventLog } from '@breakwater/twin-runtime';
import type { IngestPlan, StoredKind } from '@breakwater/adapter-clickhouse';
import type { Logger } from '@breakwater/observability';

import { DayInserter, type InsertStores } from '../store/insert-days.ts';
import { linesWithout } from './lines-of-kinds.ts';
import { recutPlan } from './recut-plan.ts';

export interface SettleStores extends InsertStores {
  readonly plans: {
    close(plan: IngestPlan): Promise<void>;
    blockCounter(): Promise<number>;
    tablesChangedSince(plan: IngestPlan): Promise<boolean>;
  };
  readonly rows: {
    storedKinds(plan: IngestPlan, day: number): Promise<ReadonlySet<StoredKind>>;
    repeatedRows(plan: IngestPlan): Promise<number>;
    completeRollups(plan: IngestPlan, day: number): Promise<'completed' | 'rawIsGone'>;
  };
}

/** How a plan was settled; for the log and the tests. */
export type Settlement = 'repeated' | 'lookedUp' | 'logGone';

/** The part of the window that is counted on: parts are counted late, and merges are not seen. */
export const WINDOW_SHARE = 0.8;

interface OpenPlan {
  readonly plan: IngestPlan;
  readonly epoch: number;
  readonly owner: string;
  /** The present log has the plan's records: it is the plan's own, or that one restored. */
  readonly logIsThere: boolean;
  readonly windowBlocks: number;
}

/**
 * Brings a plan that was left open to its end, before anything else is inserted. While its tokens are remembered, the
 * same inserts are repeated: that adds nothing where they had arrived and completes rollups that were left half done.
 * Once they may be forgotten, rows are looked up by identity instead, and rollups are completed from them. Answers the
 * plan as it was closed: what had to become a dead letter is counted as one.
 */
export async function settlePlan(
  parts: { readonly log: EventLog; readonly stores: SettleStores; readonly logger: Logger },
  open: OpenPlan,
): Promise<IngestPlan> {
  const { stores, logger } = parts;
  const plan = { ...open.plan, epoch: open.epoch, owner: open.owner };
  const inserter = new DayInserter(stores, logger);
  const settlement = await bringToEnd({ ...parts, inserter }, plan, open);
  const repeatedRows = await stores.rows.repeatedRows(plan);
  if (repeatedRows > 0) {
    logger.error({ plan: plan.number, repeatedRows }, 'rows of a settled plan are stored more than once');
  }
  const settled = inserter.settled(plan);
  await stores.plans.close(settled);
  logger.info({ plan: plan.number, settlement }, 'the open plan is settled');
  return settled;
}

async function bringToEnd(
  parts: {
    readonly log: EventLog;
    readonly stores: SettleStores;
    readonly logger: Logger;
    readonly inserter: DayInserter;
  },
  plan: IngestPlan,
  open: OpenPlan,
): Promise<Settlement> {
  const { log, stores, logger, inserter } = parts;
  if (!open.logIsThere) {
    logger.error(
      { plan: plan.number, records: plan.records },
      'the log of an open plan is gone: rollups follow its raw rows',
    );
    for (const { day } of plan.days) await completeRollups(parts, plan, day);
    return 'logGone';
  }
  const bodies = await recutPlan(log, plan, open.epoch);
  if (await tokensHold(stores, open)) {
    for (const { day } of plan.days) await inserter.insert(plan, day, bodies.get(day) as Buffer);
    return 'repeated';
  }
  for (const { day } of plan.days) {
    const stored = await stores.rows.storedKinds(plan, day);
    const missing = linesWithout(bodies.get(day) as Buffer, stored);
    if (missing.length > 0) await inserter.insert(plan, day, missing);
    if (stored.has('telemetry')) await completeRollups(parts, plan, day);
  }
  return 'lookedUp';
}

/**
 * Whether the tables still know the plan's tokens. Those that a backup was restored to know none, whatever their
 * counter says, and a view that was changed makes others of them.
 */
async function tokensHold({ plans }: SettleStores, { plan, windowBlocks }: OpenPlan): Promise<boolean> {
  const blocksSince = (await plans.blockCounter()) - plan.blockMark;
  if (blocksSince < 0 || blocksSince >= windowBlocks * WINDOW_SHARE) return false;
  return !(await plans.tablesChangedSince(plan));
}

async function completeRollups(
  { stores, logger }: { readonly stores: SettleStores; readonly logger: Logger },
  plan: IngestPlan,
  day: number,
): Promise<void> {
  if ((await stores.rows.completeRollups(plan, day)) === 'completed') return;
  logger.warn({ day }, 'the raw rows of this day are past their retention: its rollups stay as they are');
}

import type { LogId } from '@breakwater/twin';
import type { EventLog } from '@breakwater/twin-runtime';
import type { IngestPlan } from '@breakwater/adapter-clickhouse';
import type { Logger } from '@breakwater/observability';

import { recutPlan } from './recut-plan.ts';

export interface SettleStores {
  readonly plans: {
    close(plan: IngestPlan): Promise<void>;
    blockCounter(): Promise<number>;
  };
  readonly records: { insertDay(plan: IngestPlan, day: number, lines: Buffer): Promise<void> };
}

/** Brings a plan that was left open to its end: the same inserts with the same tokens, and then it is closed. */
export async function settlePlan(
  parts: { readonly log: EventLog; readonly stores: SettleStores; readonly logger: Logger },
  open: { readonly plan: IngestPlan; readonly epoch: number; readonly owner: string; readonly logId: LogId },
): Promise<void> {
  const { log, stores } = parts;
  const plan = { ...open.plan, epoch: open.epoch, owner: open.owner };
  const bodies = await recutPlan(log, plan, open.epoch);
  for (const { day } of plan.days) await stores.records.insertDay(plan, day, bodies.get(day) as Buffer);
  await stores.plans.close(plan);
}

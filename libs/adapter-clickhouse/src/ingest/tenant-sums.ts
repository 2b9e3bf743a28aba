import type { PlanTenant } from './ingest-plan.ts';

/** The sums of several lists, by partition and tenant. */
export function sumByTenant(lists: readonly (readonly PlanTenant[])[]): readonly PlanTenant[] {
  const sums = new Map<string, PlanTenant>();
  for (const each of lists.flat()) {
    const place = `${each.partition}/${each.tenant}`;
    const before = sums.get(place);
    sums.set(place, before === undefined ? each : plus(before, each));
  }
  return [...sums.values()];
}

function plus(one: PlanTenant, other: PlanTenant): PlanTenant {
  return {
    ...one,
    stored: one.stored + other.stored,
    nothingToStore: one.nothingToStore + other.nothingToStore,
    dead: one.dead + other.dead,
  };
}

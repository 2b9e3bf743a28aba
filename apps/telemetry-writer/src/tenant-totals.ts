import { type PlanPartition, type PlanTenant, BEFORE_TENANTS, sumByTenant } from '@breakwater/adapter-clickhouse';
import { DEFAULT_RUNTIME_LIMITS, TenantNames, UNREADABLE } from '@breakwater/twin-runtime';

import type { CutRange } from './cut/batch-cutter.ts';

/**
 * The writer's side of the ledger by tenant: running totals since the log began. How many tenants a partition counts by
 * name is bounded as it is with the twins, and over all lives of a writer: a new one begins with the stored names.
 */
export class TenantTotals {
  readonly #names = new Map<number, TenantNames>();
  #totals: readonly PlanTenant[];

  constructor(stored: readonly PlanTenant[]) {
    this.#totals = stored;
  }

  /** What a cut took, by the names that are counted. */
  ofRanges(ranges: readonly CutRange[]): readonly PlanTenant[] {
    const named = ranges.map(({ partition, tenants }) =>
      [...tenants].map(([tenant, counts]) => ({ partition, tenant: this.#nameOf(partition, tenant), ...counts })),
    );
    return sumByTenant(named);
  }

  /** The totals with what comes next. */
  with(tenants: readonly PlanTenant[]): readonly PlanTenant[] {
    return sumByTenant([this.#totals, tenants]);
  }

  add(tenants: readonly PlanTenant[]): void {
    this.#totals = this.with(tenants);
  }

  #nameOf(partition: number, tenant: string): string {
    if (tenant === '') return UNREADABLE;
    let names = this.#names.get(partition);
    if (names === undefined) {
      const stored = this.#totals.filter((each) => each.partition === partition);
      const known = stored.map((each) => each.tenant).filter((name) => name !== BEFORE_TENANTS);
      names = new TenantNames(known, DEFAULT_RUNTIME_LIMITS.ledgerTenantsMax);
      this.#names.set(partition, names);
    }
    return names.nameOf(tenant);
  }
}

/** Totals that an older build counted without telling tenants apart. */
export function totalsBeforeTenants(partitions: readonly PlanPartition[]): readonly PlanTenant[] {
  return partitions
    .filter(({ stored, nothingToStore, dead }) => stored + nothingToStore + dead > 0)
    .map(({ partition, stored, nothingToStore, dead }) => ({
      ...{ partition, tenant: BEFORE_TENANTS, stored, nothingToStore, dead },
    }));
}

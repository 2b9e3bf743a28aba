import type { LogId } from '@breakwater/twin';

import type { IngestPlan, InsertSettings, PlanTenant } from './ingest-plan.ts';

/** A plan as it stands in the table: one array per field of its partitions and days. 64-bit numbers come as text. */
export interface PlanRow {
  readonly scope: string;
  readonly number: number | string;
  readonly state: 'open' | 'closed';
  readonly epoch: number | string;
  readonly owner: string;
  readonly log_id: string;
  readonly block_mark: number | string;
  readonly partitions: readonly number[];
  readonly from_offsets: readonly (number | string)[];
  readonly to_offsets: readonly (number | string)[];
  readonly stored: readonly (number | string)[];
  readonly nothing_to_store: readonly (number | string)[];
  readonly dead: readonly (number | string)[];
  readonly days: readonly number[];
  readonly day_lines: readonly number[];
  readonly records: number | string;
  readonly digest: string;
  readonly kept_dead_letters: string;
  readonly settings: string;
  /** Lists of `[partition, tenant, stored, nothing to store, dead]`; empty where there is no list. */
  readonly tenants: string;
  readonly tenant_totals: string;
}

type TenantEntry = readonly [partition: number, tenant: string, stored: number, nothing: number, dead: number];

export function planToRow(plan: IngestPlan, state: PlanRow['state']): PlanRow {
  return {
    scope: plan.scope,
    number: plan.number,
    state,
    epoch: plan.epoch,
    owner: plan.owner,
    log_id: plan.logId,
    block_mark: plan.blockMark,
    partitions: plan.partitions.map(({ partition }) => partition),
    from_offsets: plan.partitions.map(({ from }) => from),
    to_offsets: plan.partitions.map(({ to }) => to),
    stored: plan.partitions.map(({ stored }) => stored),
    nothing_to_store: plan.partitions.map(({ nothingToStore }) => nothingToStore),
    dead: plan.partitions.map(({ dead }) => dead),
    days: plan.days.map(({ day }) => day),
    day_lines: plan.days.map(({ lines }) => lines),
    records: plan.records,
    digest: plan.digest,
    kept_dead_letters: JSON.stringify(plan.keptDeadLetters),
    settings: JSON.stringify(plan.settings),
    tenants: tenantsToText(plan.tenants),
    tenant_totals: plan.tenantTotals === null ? '' : tenantsToText(plan.tenantTotals),
  };
}

export function planFromRow(row: PlanRow): IngestPlan {
  const at = (values: readonly (number | string)[], index: number) => Number(values[index] ?? 0);
  return {
    scope: row.scope,
    number: Number(row.number),
    epoch: Number(row.epoch),
    owner: row.owner,
    logId: row.log_id as LogId,
    blockMark: Number(row.block_mark),
    partitions: row.partitions.map((partition, index) => ({
      partition,
      from: at(row.from_offsets, index),
      to: at(row.to_offsets, index),
      stored: at(row.stored, index),
      nothingToStore: at(row.nothing_to_store, index),
      dead: at(row.dead, index),
    })),
    days: row.days.map((day, index) => ({ day, lines: at(row.day_lines, index) })),
    records: Number(row.records),
    digest: row.digest,
    keptDeadLetters: JSON.parse(row.kept_dead_letters) as Record<string, number>,
    settings: JSON.parse(row.settings) as InsertSettings,
    tenants: tenantsFromText(row.tenants) ?? [],
    tenantTotals: tenantsFromText(row.tenant_totals),
  };
}

export function tenantsFromText(text: string): readonly PlanTenant[] | null {
  if (text === '') return null;
  return (JSON.parse(text) as TenantEntry[]).map(([partition, tenant, stored, nothingToStore, dead]) => ({
    ...{ partition, tenant, stored, nothingToStore, dead },
  }));
}

function tenantsToText(tenants: readonly PlanTenant[]): string {
  return JSON.stringify(
    tenants.map(({ partition, tenant, stored, nothingToStore, dead }): TenantEntry => [
      ...([partition, tenant, stored, nothingToStore, dead] as const),
    ]),
  );
}

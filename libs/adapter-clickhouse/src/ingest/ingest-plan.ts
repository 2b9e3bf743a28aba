import type { LogId } from '@breakwater/twin';

import { WHOLE_SCOPE } from './writer-range.ts';

/** One partition's share of a plan, and where it stands after it. */
export interface PlanPartition {
  readonly partition: number;
  /** The next offset before the plan. */
  readonly from: number;
  /** The next offset after it; equal to `from` when the plan has nothing of the partition. */
  readonly to: number;
  /** Records by outcome since this log began, this plan included: their sum is `to` less the log's first offset. */
  readonly stored: number;
  readonly nothingToStore: number;
  readonly dead: number;
}

/** One tenant's records of one partition, by outcome. */
export interface PlanTenant {
  readonly partition: number;
  readonly tenant: string;
  readonly stored: number;
  readonly nothingToStore: number;
  readonly dead: number;
}

/** Every so many plans the running totals by tenant stand in the plan; those between have their own records only. */
export const PLANS_PER_TENANT_TOTALS = 64;
/** Stands for the senders of what was counted before tenants were. No tenant's id can hold a parenthesis. */
export const BEFORE_TENANTS = '(before)';

/** One insert of a plan: everything of it that belongs to one day, which is one block and one partition per table. */
export interface PlanDay {
  /** Days since 1970 (UTC). */
  readonly day: number;
  /** Lines of the insert. A record whose points lie on several days has a line in each of theirs. */
  readonly lines: number;
}

/** How the engine cuts rows into blocks. The same token with other blocks repeats rows, so it is kept with the plan. */
export type InsertSettings = Readonly<Record<string, string>>;

/**
 * What the writer is about to insert. It is stored before the first row is, in the database that the rows go to, and
 * it is the writer's position: plans form one chain, each begins where the one before ended.
 */
export interface IngestPlan {
  /** The range of partitions whose chain it belongs to, as `scopeOf` names it. */
  readonly scope: string;
  /** From 1 and contiguous; the number is the plan's token, so only one plan can have it. */
  readonly number: number;
  readonly epoch: number;
  readonly owner: string;
  readonly logId: LogId;
  /** All partitions of the writer, also those that the plan has nothing of. */
  readonly partitions: readonly PlanPartition[];
  /** The plan's own records by tenant. */
  readonly tenants: readonly PlanTenant[];
  /** Records by tenant since this log began, this plan included; null in plans that stand between two totals. */
  readonly tenantTotals: readonly PlanTenant[] | null;
  readonly days: readonly PlanDay[];
  readonly records: number;
  /** SHA-256 over the record lines, which must be the same when the plan is repeated. */
  readonly digest: string;
  /** Dead letters of the plan that are kept with their bytes, by `tenant/day`; more are only counted. */
  readonly keptDeadLetters: Readonly<Record<string, number>>;
  readonly settings: InsertSettings;
  /**
   * The raw table's block counter at or before the plan: how many blocks came since shows whether tokens still hold.
   */
  readonly blockMark: number;
}

export const INSERT_SETTINGS: InsertSettings = {
  insert_deduplicate: '1',
  deduplicate_blocks_in_dependent_materialized_views: '1',
  async_insert: '0',
  max_insert_block_size: '4194304',
  min_insert_block_size_rows: '0',
  min_insert_block_size_bytes: '0',
  max_block_size: '4194304',
  input_format_parallel_parsing: '0',
  max_insert_threads: '1',
  max_threads: '1',
  parallel_view_processing: '0',
  // Beyond a number of groups, or when memory is short, the engine divides what it groups by a hash, and each of 256
  // pieces would become a block and a part of its own in the rollups.
  group_by_two_level_threshold: '0',
  group_by_two_level_threshold_bytes: '0',
  max_bytes_ratio_before_external_group_by: '0',
  // What views make is grouped already: to merge the rows of the one block once more finds nothing.
  optimize_on_insert: '0',
  input_format_skip_unknown_fields: '1',
  input_format_json_read_objects_as_strings: '1',
  // The engine's default reads some numbers one unit in the last place off.
  precise_float_parsing: '1',
};

/**
 * The token of one insert. Log id, scope and number make it unique for ever; the same plan always makes the same. The
 * undivided lane has none of the scope in it, as before there were others, and no scope can be taken for a number.
 */
export function insertToken(
  { scope, logId, number }: Pick<IngestPlan, 'scope' | 'logId' | 'number'>,
  day: number,
): string {
  return scope === WHOLE_SCOPE ? `${logId}/${number}/${day}` : `${logId}/${scope}/${number}/${day}`;
}

/**
 * A plan that inserts nothing and stands where the division of the lane into ranges changed: it ends the chain of a
 * range that is given up, or says where the chain of one begins that took over from others.
 */
export type ChainMark = 'retired' | 'adopted';

/** What a chain's mark has in the place of the digest of its lines; null for a plan with records. */
export function chainMarkOf({ records, digest }: Pick<IngestPlan, 'records' | 'digest'>): ChainMark | null {
  return records === 0 && (digest === 'retired' || digest === 'adopted') ? digest : null;
}

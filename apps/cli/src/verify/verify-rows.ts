import { chainMarkOf, type IngestPlan, type OffsetRange, type StoredAudit } from '@breakwater/adapter-clickhouse';
import type { LogId, Partition } from '@breakwater/twin';

import { type Finding, NAMED_MAX, type PartResult } from './finding.ts';

/** What the comparison asks of ClickHouse. */
export type RowCounts = Pick<
  StoredAudit,
  'scopes' | 'spacedPlans' | 'plansBetween' | 'countRange' | 'offsetsWithoutRows' | 'repeatedRows'
>;

/** Says of offsets whether the log still has them and their records must have rows; null: the log forgot them. */
export type MustHaveRows = (range: OffsetRange, offsets: readonly number[]) => Promise<readonly number[] | null>;

export interface RowParts {
  readonly audit: RowCounts;
  readonly mustHaveRows: MustHaveRows;
  readonly logId: LogId;
}

/** Plans at which the comparison is cut: between two of them a difference is looked for plan by plan. */
const PLANS_MAX = 400;
/** Offsets of one count. ClickHouse holds about 60 bytes for each record of five rows while it counts. */
const OFFSETS_PER_COUNT_MAX = 500_000;
/** Offsets without rows that are looked at to find which of them must have some. */
const CANDIDATES_MAX = 10_000;

/** A position of one partition with the number of records below it that must have rows. */
interface Mark {
  readonly plan: number;
  readonly offset: number;
  readonly stored: number;
  /** Before it another range's plans had the partition: those compare what is theirs. */
  readonly begins: boolean;
}

/** One chain of plans, with what the comparison asks. */
type ChainParts = RowParts & { readonly scope: string };

/**
 * Compares what closed plans say with the rows that are there, partition by partition. The plan's counts were made
 * when it was cut, from the log; the rows are counted here, by their own offsets. Nothing of the two is shared.
 */
export async function verifyRows(parts: RowParts): Promise<PartResult> {
  const scopes = await parts.audit.scopes(parts.logId);
  const chains = [];
  for (const scope of scopes) chains.push(await verifyChain({ ...parts, scope }));
  const found = chains.filter((chain) => chain !== null);
  if (found.length === 0) {
    return { part: 'rows', compared: 'no plan of this log is closed yet', findings: [], skipped: [] };
  }
  const records = found.reduce((sum, chain) => sum + chain.records, 0);
  const partitions = new Set(found.flatMap((chain) => chain.partitions)).size;
  const plans = found.map(({ first, last }) => `${first} to ${last}`).join(' and ');
  const compared = `${records} records of ${partitions} partitions, plans ${plans}, with the offsets of their rows`;
  return { part: 'rows', compared, findings: found.flatMap(({ findings }) => findings), skipped: [] };
}

interface ChainResult {
  readonly first: number;
  readonly last: number;
  readonly partitions: readonly number[];
  readonly records: number;
  readonly findings: readonly Finding[];
}

async function verifyChain(parts: ChainParts): Promise<ChainResult | null> {
  const { plans, firstHasRows } = await parts.audit.spacedPlans(parts, PLANS_MAX);
  const [first, last] = [plans[0], plans.at(-1)];
  if (first === undefined || last === undefined) return null;
  const findings: Finding[] = [];
  let records = 0;
  for (const { partition } of last.partitions) {
    const marks = marksOf(plans, partition, firstHasRows);
    for (const [from, to] of spans(marks)) {
      records += to.stored - from.stored;
      findings.push(...(await compareSpan(parts, partition as Partition, from, to)));
    }
  }
  const partitions = last.partitions.map(({ partition }) => partition);
  return { first: first.number, last: last.number, partitions, records, findings };
}

function marksOf(plans: readonly IngestPlan[], partition: number, firstHasRows: boolean): readonly Mark[] {
  const marks: Mark[] = [];
  plans.forEach((plan, index) => {
    const part = plan.partitions.find((each) => each.partition === partition);
    if (part === undefined) return;
    const { from, to, stored, nothingToStore, dead } = part;
    // The first plan of a log counts from its own beginning: what it stored itself can be compared as well.
    if (index === 0 && firstHasRows && stored + nothingToStore + dead === to - from && from < to) {
      marks.push({ plan: plan.number - 1, offset: from, stored: 0, begins: false });
    }
    marks.push({ plan: plan.number, offset: to, stored, begins: chainMarkOf(plan) === 'adopted' });
  });
  return marks;
}

/** Neighbouring marks joined into spans of a size that one count can hold. */
function spans(marks: readonly Mark[]): readonly (readonly [Mark, Mark])[] {
  const joined: [Mark, Mark][] = [];
  for (const [at, to] of marks.entries()) {
    const from = marks[at - 1];
    if (from === undefined || to.begins || from.offset === to.offset) continue;
    const before = joined.at(-1);
    if (before?.[1].offset === from.offset && to.offset - before[0].offset <= OFFSETS_PER_COUNT_MAX) before[1] = to;
    else joined.push([from, to]);
  }
  return joined;
}

async function compareSpan(parts: ChainParts, partition: Partition, from: Mark, to: Mark): Promise<readonly Finding[]> {
  const range = { logId: parts.logId, partition, from: from.offset, to: to.offset };
  const { records, repeatedRows } = await parts.audit.countRange(range);
  const findings: Finding[] = [];
  if (repeatedRows > 0) findings.push(await nameRepeated(parts, range, repeatedRows));
  const missing = to.stored - from.stored - records;
  if (missing < 0) {
    const detail = `partition ${partition}: ${-missing} records have rows that no plan from ${from.plan + 1} to ${to.plan} has`;
    findings.push({ part: 'rows', kind: 'rowsUnknown', detail });
  }
  if (missing > 0) findings.push(...(await nameMissing(parts, partition, from, to)));
  return findings;
}

async function nameRepeated({ audit }: RowParts, range: OffsetRange, repeated: number): Promise<Finding> {
  const rows = await audit.repeatedRows(range, NAMED_MAX);
  const named = rows.map(({ offset, rowIndex, copies }) => `offset ${offset} row ${rowIndex} (${copies} times)`);
  const detail = `partition ${range.partition}: ${repeated} rows are repeated: ${listed(named, rows.length < NAMED_MAX)}`;
  return { part: 'rows', kind: 'rowsRepeated', detail };
}

/** Goes through the span plan by plan, so that a plan is named even where the log has forgotten its records. */
async function nameMissing(parts: ChainParts, partition: Partition, from: Mark, to: Mark): Promise<readonly Finding[]> {
  const { audit, logId } = parts;
  const plans = await audit.plansBetween(parts, from.plan, to.plan);
  const marks = [from, ...marksOf(plans, partition, false)];
  const findings: Finding[] = [];
  for (const [low, high] of await differing(parts, partition, marks)) {
    const range = { logId, partition, from: low.offset, to: high.offset };
    const { records } = await audit.countRange(range);
    const missing = high.stored - low.stored - records;
    const where = `partition ${partition}, plan ${high.plan} (offsets ${low.offset} to ${high.offset - 1})`;
    const named = await nameOffsets(parts, range, missing);
    findings.push({ part: 'rows', kind: 'rowsMissing', detail: `${where}: ${missing} records have no rows: ${named}` });
    if (findings.length >= NAMED_MAX) break;
  }
  return findings;
}

/** The plans whose rows are too few, found by halving: most spans have one. */
async function differing(
  parts: RowParts,
  partition: Partition,
  marks: readonly Mark[],
): Promise<readonly (readonly [Mark, Mark])[]> {
  const [low, high] = [marks[0], marks.at(-1)];
  if (low === undefined || high === undefined || low === high || low.offset === high.offset) return [];
  const range = { logId: parts.logId, partition, from: low.offset, to: high.offset };
  const { records } = await parts.audit.countRange(range);
  if (records >= high.stored - low.stored) return [];
  if (marks.length === 2) return [[low, high]];
  const middle = Math.floor(marks.length / 2);
  return [
    ...(await differing(parts, partition, marks.slice(0, middle + 1))),
    ...(await differing(parts, partition, marks.slice(middle))),
  ];
}

async function nameOffsets({ audit, mustHaveRows }: RowParts, range: OffsetRange, missing: number): Promise<string> {
  const without = await audit.offsetsWithoutRows(range, CANDIDATES_MAX);
  // All that have none must have some: there was nothing else in that range.
  if (without.length === missing) return listed(named(without), without.length <= NAMED_MAX);
  const due = await mustHaveRows(range, without);
  if (due === null) {
    return `of ${listed(named(without), without.length <= NAMED_MAX)}; the log has forgotten which of these need none`;
  }
  return listed(named(due), due.length <= NAMED_MAX);
}

function named(offsets: readonly number[]): readonly string[] {
  return offsets.slice(0, NAMED_MAX).map((offset) => `offset ${offset}`);
}

function listed(texts: readonly string[], isWhole: boolean): string {
  return texts.join(', ') + (isWhole ? '' : ', and more');
}

import type { LogId } from '@breakwater/twin';

import type { Lane } from '../ports/event-log.ts';

/** Who takes records from the log. */
export const CONSUMERS = ['twins', 'writer'] as const;
export type Consumer = (typeof CONSUMERS)[number];

type Counts = Readonly<Record<string, number>>;

/** What one consumer says of one lane of one partition, stored in one write and read at one moment. */
export interface ConsumerReading {
  readonly consumer: Consumer;
  readonly lane: Lane;
  readonly partition: number;
  /** The next offset that it takes. */
  readonly position: number;
  /** The offset at which it began to count in this log. */
  readonly began: number;
  /** The log that the position belongs to; null when it has taken nothing yet. */
  readonly logId: LogId | null;
  readonly outcomes: Counts;
  /** Outcomes by tenant; null where they are not counted. */
  readonly tenants: Readonly<Record<string, Counts>> | null;
}

/** The same lane and partition in the log. */
export interface LogReading {
  readonly logId: LogId;
  /** The oldest offset that was kept, read before the consumer was. */
  readonly firstBefore: number;
  /** The offset of the next record, read after the consumer was. */
  readonly endAfter: number;
}

/**
 * - `outcomes`: the outcomes are not as many as the records that were taken.
 * - `tenants`: the tenants' outcomes are not as many as all outcomes.
 * - `trimmed`: the log has forgotten records that the consumer has not taken.
 * - `ahead`: the consumer has taken more than was appended.
 * - `otherLog`: its position belongs to another log.
 * - `consumers`: two consumers that stand at the same offset differ in the records of a tenant.
 * - `rowsMissing`, `rowsRepeated`: what is stored is not what the closed plans say.
 */
export const IMBALANCE_KINDS = [
  'outcomes',
  'tenants',
  'trimmed',
  'ahead',
  'otherLog',
  'consumers',
  'rowsMissing',
  'rowsRepeated',
] as const;
export type ImbalanceKind = (typeof IMBALANCE_KINDS)[number];

export interface Imbalance {
  readonly kind: ImbalanceKind;
  readonly consumer: Consumer;
  readonly lane: Lane;
  /** Null where it is not known of which one. */
  readonly partition: number | null;
  readonly tenant: string | null;
  /** How many records (rows, for repeated ones) are too many or too few; never 0. */
  readonly records: number;
  /** One sentence for people. */
  readonly detail: string;
}

/**
 * appended = sum of outcomes + in flight, or why not. The order of the readings is what makes this exact while records
 * are appended, taken and trimmed: the log's beginning is read before the consumer, and the log's end after it.
 */
export function imbalancesOf(reading: ConsumerReading, log: LogReading): readonly Imbalance[] {
  const { consumer, lane, partition, position, began, outcomes, tenants, logId } = reading;
  const found: Imbalance[] = [];
  const note = (kind: ImbalanceKind, records: number, detail: string): void => {
    found.push({ kind, consumer, lane, partition, tenant: null, records, detail });
  };
  const counted = sumOf(outcomes);
  const taken = position - began;
  if (counted !== taken) note('outcomes', counted - taken, `${taken} records were taken, ${counted} have an outcome`);
  const ofTenants = tenants === null ? counted : Object.values(tenants).reduce((sum, each) => sum + sumOf(each), 0);
  if (ofTenants !== counted) {
    note('tenants', ofTenants - counted, `${counted} records have an outcome, ${ofTenants} of them by tenant`);
  }
  if (logId !== null && logId !== log.logId) {
    note(
      'otherLog',
      Math.max(1, position),
      `the position belongs to the log ${logId}, the present one is ${log.logId}`,
    );
    return found;
  }
  if (position < log.firstBefore) {
    const lost = log.firstBefore - position;
    note('trimmed', -lost, `the log begins at ${log.firstBefore}, and the records from ${position} on were not taken`);
  }
  if (position > log.endAfter) {
    note('ahead', position - log.endAfter, `the position is ${position}, and the log ends at ${log.endAfter}`);
  }
  return found;
}

/**
 * Two consumers that have taken the same records must have the same number of each tenant's, whatever became of them.
 * Where one of them stands further on nothing can be said.
 */
export function tenantDifferences(one: ConsumerReading, other: ConsumerReading): readonly Imbalance[] {
  if (one.position !== other.position || one.began !== other.began) return [];
  if (one.tenants === null || other.tenants === null || one.logId !== other.logId) return [];
  const found: Imbalance[] = [];
  for (const tenant of new Set([...Object.keys(one.tenants), ...Object.keys(other.tenants)])) {
    // Which tenants have no name of their own depends on who came first.
    if (tenant.startsWith('(')) return [];
    const [here, there] = [sumOf(one.tenants[tenant] ?? {}), sumOf(other.tenants[tenant] ?? {})];
    if (here === there) continue;
    const { consumer, lane, partition, position } = one;
    const detail = `up to ${position} ${consumer} has ${here} records of ${tenant}, ${other.consumer} has ${there}`;
    found.push({ kind: 'consumers', consumer, lane, partition, tenant, records: here - there, detail });
  }
  return found;
}

export function sumOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

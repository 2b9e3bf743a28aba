import {
  isRefusedForLines,
  type IngestPlan,
  type PlanPartition,
  type PlanTenant,
} from '@breakwater/adapter-clickhouse';
import { OTHER_TENANTS } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { deadLetterOfLine, placeOfLine, type RefusedPlace } from './dead-letter-of-line.ts';
import { findRefusedLines, replaceLines } from './refused-lines.ts';

export interface InsertStores {
  readonly records: {
    insertDay(plan: IngestPlan, day: number, lines: Buffer): Promise<void>;
    canRead(plan: IngestPlan, lines: Buffer): Promise<boolean>;
  };
}

/** More than this in one insert is no bad luck with a device: somebody has to look. */
const REFUSED_LINES_MAX = 1_000;

/**
 * Inserts the days of a plan. A line that ClickHouse cannot read would stop the lane for ever: it becomes a dead letter
 * in the same insert, under the same token. Nothing has to be remembered for that. An insert is read whole before its
 * first row is stored, so a repeat is refused again, finds the same lines, and meets the same token.
 */
export class DayInserter {
  readonly #stores: InsertStores;
  readonly #logger: Logger;
  readonly #dead = new Map<string, RefusedPlace>();

  constructor(stores: InsertStores, logger: Logger) {
    this.#stores = stores;
    this.#logger = logger;
  }

  async insert(plan: IngestPlan, day: number, lines: Buffer): Promise<void> {
    try {
      await this.#stores.records.insertDay(plan, day, lines);
    } catch (error) {
      if (!isRefusedForLines(error)) throw error;
      const canRead = (part: Buffer) => this.#stores.records.canRead(plan, part);
      const refused = await findRefusedLines(lines, REFUSED_LINES_MAX, canRead);
      if (refused === null || refused.length === 0) throw error;
      for (const { start, end } of refused) this.#note(plan, lines.subarray(start, end), error);
      await this.#stores.records.insertDay(
        plan,
        day,
        replaceLines(lines, refused, (line) => deadLetterOfLine(line, day)),
      );
    }
  }

  /** The plan with the counts that it is closed with: what became a dead letter here was planned as stored. */
  settled(plan: IngestPlan): IngestPlan {
    if (this.#dead.size === 0) return plan;
    const dead = [...this.#dead.values()].filter(({ kind }) => kind !== 'deadLetter');
    const isNamed = (place: RefusedPlace): boolean =>
      plan.tenants.some(({ partition, tenant }) => partition === place.partition && tenant === place.tenant);
    const nameOf = (place: RefusedPlace): string => (isNamed(place) ? place.tenant : OTHER_TENANTS);
    const moved = <Counts extends PlanPartition | PlanTenant>(counts: Counts): Counts => {
      const isOf = (place: RefusedPlace): boolean =>
        place.partition === counts.partition && (!('tenant' in counts) || nameOf(place) === counts.tenant);
      const count = dead.filter(isOf).length;
      return { ...counts, stored: counts.stored - count, dead: counts.dead + count };
    };
    return {
      ...plan,
      partitions: plan.partitions.map(moved),
      tenants: plan.tenants.map(moved),
      tenantTotals: plan.tenantTotals?.map(moved) ?? null,
    };
  }

  #note(plan: IngestPlan, line: Buffer, error: unknown): void {
    const place = placeOfLine(line);
    // A record of several days has a line in each, and one outcome.
    this.#dead.set(`${place.partition}/${place.offset}`, place);
    this.#logger.error(
      { code: 'INSERT_REFUSED', plan: plan.number, ...place, reason: error instanceof Error ? error.message : '' },
      'ClickHouse cannot read a record: it is kept as a dead letter',
    );
  }
}

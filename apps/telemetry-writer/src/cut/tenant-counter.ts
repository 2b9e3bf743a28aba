import type { RecordLine } from './day-lines.ts';
import { standsAt } from './line-bounds.ts';

/** Records of a cut by what became of them. */
export interface CutCounts {
  readonly stored: number;
  readonly nothingToStore: number;
  readonly dead: number;
}

type Counts = { -readonly [Outcome in keyof CutCounts]: number };

/** Version, kind, day and tenant stand first. */
const HEAD_BYTES = 160;
const TENANT_PATTERN = /"tenant":"([a-z0-9-]+)"/;

/** The tenant that the beginning of a record's line names; empty when it names none. */
export function tenantOf(head: string): string {
  return TENANT_PATTERN.exec(head)?.[1] ?? '';
}

/** Counts the records of one range by tenant. Those of one tenant mostly follow one another and begin alike. */
export class TenantCounter {
  readonly #counts = new Map<string, Counts>();
  /** The beginning of the last line, up to and with its tenant, and where that tenant is counted. */
  #start: Buffer = Buffer.alloc(0);
  #current: Counts = { stored: 0, nothingToStore: 0, dead: 0 };

  get counts(): ReadonlyMap<string, CutCounts> {
    return this.#counts;
  }

  count({ source, start, end }: RecordLine, outcome: keyof CutCounts): void {
    if (this.#start.length === 0 || !standsAt(source, start, this.#start)) this.#change(source, start, end);
    this.#current[outcome] += 1;
  }

  #change(source: Buffer, start: number, end: number): void {
    const head = source.toString('latin1', start, Math.min(end, start + HEAD_BYTES));
    const found = TENANT_PATTERN.exec(head);
    const tenant = found?.[1] ?? '';
    const counts = this.#counts.get(tenant) ?? { stored: 0, nothingToStore: 0, dead: 0 };
    this.#counts.set(tenant, counts);
    this.#current = counts;
    this.#start =
      found === null ? Buffer.alloc(0) : Buffer.from(head.slice(0, found.index + found[0].length), 'latin1');
  }
}

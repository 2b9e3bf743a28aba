import type { DeviceKey, RecordOutcome } from '@breakwater/twin';

import type { Lane } from '../ports/event-log.ts';
import type { OutcomeCounts, TenantCounts } from '../ports/twin-store.ts';

/** Stands for all tenants beyond those that are counted by name. No tenant's id can hold a parenthesis. */
export const OTHER_TENANTS = '(others)';
/** Stands for the senders of lines that are no records. */
export const UNREADABLE = '(unreadable)';

type Counts = Partial<Record<RecordOutcome, number>>;

/**
 * The tenants that a shard counts by name. What is stored is bounded by it, over all owners of a partition: a new owner
 * begins with the names that are stored already.
 */
export class TenantNames {
  readonly #names: Set<string>;
  readonly #max: number;

  constructor(stored: readonly string[], max: number) {
    this.#names = new Set(stored.filter((name) => name !== OTHER_TENANTS && name !== UNREADABLE));
    this.#max = max;
  }

  nameOf(tenant: string): string {
    if (this.#names.has(tenant)) return tenant;
    if (this.#names.size >= this.#max) return OTHER_TENANTS;
    this.#names.add(tenant);
    return tenant;
  }
}

/**
 * One batch's side of the ledger: exactly one outcome per record, by lane, and by lane and tenant. Records of one
 * tenant mostly follow one another, so a record costs a comparison and two additions.
 */
export class OutcomeTally {
  readonly counts: Readonly<Record<Lane, OutcomeCounts>> = { control: {}, telemetry: {} };
  readonly tenants: Readonly<Record<Lane, TenantCounts>> = { control: {}, telemetry: {} };
  readonly #names: TenantNames;
  /** The key's part up to and with the slash, of the tenant that was counted last. */
  #prefix = '';
  #lane: Lane = 'control';
  #current: Counts | null = null;

  constructor(names: TenantNames) {
    this.#names = names;
  }

  /** A key of null: the record could not be read. */
  count(lane: Lane, outcome: RecordOutcome, key: DeviceKey | null): void {
    increment(this.counts[lane], outcome);
    if (this.#current === null || lane !== this.#lane || key === null || !key.startsWith(this.#prefix)) {
      this.#change(lane, key);
    }
    increment(this.#current as Counts, outcome);
  }

  #change(lane: Lane, key: DeviceKey | null): void {
    const slash = key === null ? 0 : key.indexOf('/');
    const name = key === null ? UNREADABLE : this.#names.nameOf(key.slice(0, slash));
    const tenants = this.tenants[lane] as Record<string, Counts>;
    this.#current = tenants[name] ??= {};
    this.#lane = lane;
    // After an unreadable record nothing has this prefix, so the next one is looked up.
    this.#prefix = key === null ? '/' : key.slice(0, slash + 1);
  }
}

function increment(counts: Counts, outcome: RecordOutcome): void {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}

import {
  OTHER_TENANTS,
  REFUSAL_LINES_MAX,
  type Refusal,
  type RefusalCounts,
  type RefusalFlush,
} from '@breakwater/twin-runtime';

/** The counts in memory, and the reference for every other one. */
export class MemoryRefusalCounts implements RefusalCounts {
  readonly #linesMax: number;
  readonly #lines = new Map<string, Refusal>();
  readonly #seqs = new Map<string, number>();

  constructor(linesMax = REFUSAL_LINES_MAX) {
    this.#linesMax = linesMax;
  }

  async add({ flusherId, seq, refusals }: RefusalFlush): Promise<void> {
    if (seq <= (this.#seqs.get(flusherId) ?? 0)) return;
    this.#seqs.set(flusherId, seq);
    for (const refusal of refusals) this.#addOne(refusal);
  }

  async read(): Promise<readonly Refusal[]> {
    return [...this.#lines.values()];
  }

  #addOne({ tenant, reason, count }: Refusal): void {
    const isNamed = this.#lines.has(`${tenant} ${reason}`) || this.#lines.size < this.#linesMax;
    const counted = isNamed ? tenant : OTHER_TENANTS;
    const before = this.#lines.get(`${counted} ${reason}`)?.count ?? 0;
    this.#lines.set(`${counted} ${reason}`, { tenant: counted, reason, count: before + count });
  }
}

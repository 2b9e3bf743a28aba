/** Buckets grow by 5 %, so that a quantile is off by at most that, from 0.05 ms to about 15 minutes. */
const GROWTH = 1.05;
const SMALLEST_MS = 0.05;
const BUCKET_COUNT = 340;
const LOG_GROWTH = Math.log(GROWTH);

/** Latencies of a run in constant memory. Histograms of several processes add up. */
export class LatencyHistogram {
  readonly #buckets: number[];
  #count = 0;
  #maxMs = 0;

  constructor(snapshot?: HistogramSnapshot) {
    this.#buckets = snapshot === undefined ? new Array<number>(BUCKET_COUNT).fill(0) : [...snapshot.buckets];
    this.#maxMs = snapshot?.maxMs ?? 0;
    this.#count = this.#buckets.reduce((sum, count) => sum + count, 0);
  }

  record(latencyMs: number): void {
    const bucket = Math.ceil(Math.log(Math.max(latencyMs, SMALLEST_MS) / SMALLEST_MS) / LOG_GROWTH);
    const index = Math.min(bucket, BUCKET_COUNT - 1);
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
    this.#count += 1;
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs;
  }

  /** The upper edge of the bucket that holds the quantile, in ms; 0 when nothing was recorded. */
  quantile(share: number): number {
    if (this.#count === 0) return 0;
    let left = Math.ceil(this.#count * share);
    for (const [index, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Math.min(SMALLEST_MS * GROWTH ** index, this.#maxMs);
    }
    return this.#maxMs;
  }

  get count(): number {
    return this.#count;
  }

  snapshot(): HistogramSnapshot {
    return { buckets: [...this.#buckets], maxMs: this.#maxMs };
  }
}

export interface HistogramSnapshot {
  readonly buckets: readonly number[];
  readonly maxMs: number;
}

import { RecencyMap } from './recency-map.ts';

const MINUTE_MS = 60_000;

interface Bucket {
  tokens: number;
  refilledAtMs: number;
}

/**
 * A token bucket of one minute's worth of CONNECTs per key. What is refused costs nothing: whoever hammers is let in as
 * often as the limit says, and is not locked out for as long as he hammers.
 */
export class ConnectRate {
  readonly #perMinuteMax: number;
  readonly #buckets: RecencyMap<Bucket>;

  /** 0: no limit. */
  constructor(options: { readonly perMinuteMax: number; readonly keysMax: number }) {
    this.#perMinuteMax = options.perMinuteMax;
    this.#buckets = new RecencyMap(options.keysMax);
  }

  take(key: string, nowMs: number): boolean {
    if (this.#perMinuteMax === 0) return true;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#buckets.set(key, { tokens: this.#perMinuteMax - 1, refilledAtMs: nowMs });
      return true;
    }
    const earned = (Math.max(0, nowMs - bucket.refilledAtMs) * this.#perMinuteMax) / MINUTE_MS;
    bucket.tokens = Math.min(this.#perMinuteMax, bucket.tokens + earned);
    bucket.refilledAtMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

import type { JsonObject } from '@breakwater/twin';
import type { FeedEntry } from '@breakwater/twin-runtime';

export type QueuedNotice =
  | { readonly kind: 'change'; readonly entry: FeedEntry }
  | { readonly kind: 'telemetry'; readonly document: JsonObject }
  | { readonly kind: 'overflowed' }
  | { readonly kind: 'closed' };

/**
 * Bounded: a client that reads too slowly loses the queue, and is told so, instead of this process its memory. Of
 * telemetry only the newest waits, behind the changes: those hold the whole twin anyway.
 */
export class NoticeQueue {
  readonly #lengthMax: number;
  #entries: FeedEntry[] = [];
  #telemetry: JsonObject | null = null;
  #overflowed = false;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  push(entry: FeedEntry): void {
    if (this.#closed) return;
    if (this.#entries.length >= this.#lengthMax) {
      this.#entries = [];
      this.#overflowed = true;
    }
    if (!this.#overflowed) this.#entries.push(entry);
    this.#wake?.();
  }

  pushTelemetry(document: JsonObject): void {
    if (this.#closed) return;
    this.#telemetry = document;
    this.#wake?.();
  }

  async next(): Promise<QueuedNotice> {
    for (;;) {
      if (this.#closed) return { kind: 'closed' };
      if (this.#overflowed) {
        this.#overflowed = false;
        return { kind: 'overflowed' };
      }
      const entry = this.#entries.shift();
      if (entry !== undefined) return { kind: 'change', entry };
      const document = this.#telemetry;
      this.#telemetry = null;
      if (document !== null) return { kind: 'telemetry', document };
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }

  close(): void {
    this.#closed = true;
    this.#entries = [];
    this.#telemetry = null;
    this.#wake?.();
  }
}

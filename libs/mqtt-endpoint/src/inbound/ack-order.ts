import type { PublishOutcome } from '../endpoint-host.ts';

export interface PendingAck {
  outcome: PublishOutcome | null;
}

/** Used-up entries before the list is shortened, so that shortening stays cheap per entry. */
const COMPACT_AFTER = 64;

/**
 * Acknowledgements leave in the order in which the publishes came (MQTT 5 §4.6), whatever order the host settles them
 * in. An entry that is not settled holds back all later ones.
 */
export class AckOrder<Entry extends PendingAck> {
  #entries: Entry[] = [];
  #first = 0;

  get size(): number {
    return this.#entries.length - this.#first;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** Removes the oldest entry if its outcome is known. */
  takeSettled(): (Entry & { outcome: PublishOutcome }) | null {
    const entry = this.#entries[this.#first];
    if (!isSettled(entry)) return null;
    this.#first += 1;
    if (this.#first === this.#entries.length) {
      this.#entries.length = 0;
      this.#first = 0;
    } else if (this.#first >= COMPACT_AFTER && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }
}

function isSettled<Entry extends PendingAck>(entry: Entry | undefined): entry is Entry & { outcome: PublishOutcome } {
  return entry !== undefined && entry.outcome !== null;
}

/** Writes what a session must remember; settles when it is safe. */
export type PersistSession = () => Promise<void>;

/**
 * What must be remembered before something is said: a packet id before its PUBLISH leaves, a received id before its
 * PUBREC, a released one before its PUBCOMP, a filter before its SUBACK. A session that ends with its connection has
 * nothing to remember, and its effects happen at once.
 *
 * One write is under way at a time; all that comes meanwhile shares the next one, and effects keep their order.
 */
export class SessionJournal {
  #persist: PersistSession | null = null;
  #waiting: (() => void)[] = [];
  #isDirty = false;
  #writing: Promise<void> | null = null;

  /** From now on the session is stored this way; null: it is not stored. */
  storeWith(persist: PersistSession | null): void {
    this.#persist = persist;
    if (persist === null) this.#release();
  }

  /** `effect` happens once the session as it is now, or later, is stored. */
  commit(effect: () => void): void {
    if (this.#persist === null) return effect();
    this.#waiting.push(effect);
    this.changed();
  }

  /** To be stored, yet nothing waits for it. */
  changed(): void {
    if (this.#persist === null) return;
    this.#isDirty = true;
    this.#writing ??= this.#write();
  }

  /** Settles when nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** The session is over: what waits never happens, and nothing more is written. */
  end(): void {
    this.#persist = null;
    this.#waiting = [];
  }

  async #write(): Promise<void> {
    // Everything of this tick goes with one write.
    await Promise.resolve();
    while (this.#isDirty && this.#persist !== null) {
      this.#isDirty = false;
      const effects = this.#waiting;
      this.#waiting = [];
      try {
        await this.#persist();
      } catch {
        // Whoever persists has ended the connection: what was not stored is never said.
        continue;
      }
      for (const effect of effects) effect();
    }
    this.#writing = null;
  }

  #release(): void {
    const effects = this.#waiting;
    this.#waiting = [];
    for (const effect of effects) effect();
  }
}

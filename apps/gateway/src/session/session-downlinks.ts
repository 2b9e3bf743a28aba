/** How many of the last downlinks of a session are recognised when they come again. */
const REMEMBERED_MAX = 64;

/** What one session was sent by its twin. */
export class SessionDownlinks {
  /** Made with the first one: many sessions never get any, and an empty map is as large as one with a few entries. */
  #known: Map<string, 'sending' | 'done'> | null = null;
  #desiredVersion = -1;
  #hasDropped = false;

  begin(outboxId: string): 'new' | 'sending' | 'done' {
    const all = (this.#known ??= new Map());
    const known = all.get(outboxId);
    if (known !== undefined) return known;
    all.set(outboxId, 'sending');
    if (all.size > REMEMBERED_MAX) {
      const oldest = all.keys().next();
      if (oldest.done !== true) all.delete(oldest.value);
    }
    return 'new';
  }

  done(outboxId: string): void {
    if (this.#known?.has(outboxId) === true) this.#known.set(outboxId, 'done');
  }

  forget(outboxId: string): void {
    this.#known?.delete(outboxId);
  }

  /** A part of the desired state did not reach the device. */
  dropped(): void {
    this.#hasDropped = true;
  }

  /** Whether one did not, since the last time that this was asked. */
  takeDropped(): boolean {
    const had = this.#hasDropped;
    this.#hasDropped = false;
    return had;
  }

  /** False for a desired state that is older than one that was sent. */
  raiseDesired(version: number): boolean {
    if (version < this.#desiredVersion) return false;
    this.#desiredVersion = version;
    return true;
  }
}

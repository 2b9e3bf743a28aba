/** How many of the last downlinks of a session are recognised when they come again. */
const REMEMBERED_MAX = 64;

/** What one session was sent by its twin. */
export class SessionDownlinks {
  readonly #known = new Map<string, 'sending' | 'done'>();
  #desiredVersion = -1;
  #hasDropped = false;

  begin(outboxId: string): 'new' | 'sending' | 'done' {
    const known = this.#known.get(outboxId);
    if (known !== undefined) return known;
    this.#known.set(outboxId, 'sending');
    if (this.#known.size > REMEMBERED_MAX) {
      const oldest = this.#known.keys().next();
      if (oldest.done !== true) this.#known.delete(oldest.value);
    }
    return 'new';
  }

  done(outboxId: string): void {
    if (this.#known.has(outboxId)) this.#known.set(outboxId, 'done');
  }

  forget(outboxId: string): void {
    this.#known.delete(outboxId);
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

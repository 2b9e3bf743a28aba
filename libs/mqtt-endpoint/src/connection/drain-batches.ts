/** Sends connections away, some at a time, so that they do not all come back to somebody else at once. */
export class DrainBatches<Member extends { drain(): void }> {
  readonly #members: ReadonlySet<Member>;
  readonly #waiting = new Set<Member>();
  #batchMax = Number.POSITIVE_INFINITY;

  /** `members` are those that have not ended. */
  constructor(members: ReadonlySet<Member>) {
    this.#members = members;
  }

  begin(batchMax: number): void {
    this.#batchMax = batchMax;
    for (const member of this.#members) this.#waiting.add(member);
    this.next();
  }

  next(): void {
    let count = 0;
    for (const member of this.#waiting) {
      if (count === this.#batchMax) return;
      this.#waiting.delete(member);
      // Those that have ended by themselves take nobody's place.
      if (!this.#members.has(member)) continue;
      member.drain();
      count += 1;
    }
  }
}

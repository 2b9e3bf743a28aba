/** How many dead letters of a tenant and day were kept; decides which more are kept with their bytes. */
export class DeadLetterQuota {
  readonly #perDayMax: number;
  readonly #seen: Map<string, number>;
  /** Days before this are forgotten: nothing is received on a day that is over. */
  #newestDay = 0;

  constructor(perDayMax: number, seen: ReadonlyMap<string, number> = new Map()) {
    this.#perDayMax = perDayMax;
    this.#seen = new Map(seen);
  }

  /** A draft that is settled only when its plan is stored: a plan that was refused must not use up the quota. */
  draft(): DeadLetterDraft {
    return new DeadLetterDraft((key) => this.#perDayMax - (this.#seen.get(key) ?? 0));
  }

  settle(draft: DeadLetterDraft): void {
    for (const [key, count] of draft.seen) {
      const day = Number(key.slice(key.indexOf('/') + 1));
      if (day > this.#newestDay) {
        this.#newestDay = day;
        for (const old of this.#seen.keys())
          if (Number(old.slice(old.indexOf('/') + 1)) < day - 1) this.#seen.delete(old);
      }
      this.#seen.set(key, (this.#seen.get(key) ?? 0) + count);
    }
  }
}

/** The dead letters of one batch, by `tenant/day`. */
export class DeadLetterDraft {
  readonly #room: (key: string) => number;
  readonly seen = new Map<string, number>();
  readonly kept = new Map<string, number>();

  constructor(room: (key: string) => number) {
    this.#room = room;
  }

  readonly keep = (tenant: string, day: number): boolean => {
    const key = `${tenant}/${day}`;
    this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
    const kept = this.kept.get(key) ?? 0;
    if (kept >= this.#room(key)) return false;
    this.kept.set(key, kept + 1);
    return true;
  };
}

/** Repeats the decisions that a stored plan was made with. */
export function deadLettersOfPlan(kept: Readonly<Record<string, number>>): DeadLetterDraft {
  return new DeadLetterDraft((key) => kept[key] ?? 0);
}

import { type Ban, banIdOf, type BanList, type BanSnapshot, type Clock, type NewBan } from '@breakwater/twin-runtime';

/** The bans in memory. */
export class MemoryBanList implements BanList {
  readonly #clock: Clock;
  readonly #bansMax: number;
  readonly #bans = new Map<string, Ban>();
  #version = 0;

  constructor(clock: Clock, options: { readonly bansMax: number }) {
    this.#clock = clock;
    this.#bansMax = options.bansMax;
  }

  async put({ subject, reason, durationMs }: NewBan): Promise<Ban> {
    this.#forgetEnded();
    const sinceMs = this.#clock.nowMs();
    const ban: Ban = { id: banIdOf(subject), subject, reason, sinceMs, untilMs: sinceMs + durationMs };
    this.#bans.delete(ban.id);
    if (this.#bans.size >= this.#bansMax) this.#makeRoom();
    this.#bans.set(ban.id, ban);
    this.#version += 1;
    return ban;
  }

  async lift(id: string): Promise<Ban | null> {
    const ban = await this.find(id);
    if (ban === null) return null;
    this.#bans.delete(id);
    this.#version += 1;
    return ban;
  }

  async find(id: string): Promise<Ban | null> {
    this.#forgetEnded();
    return this.#bans.get(id) ?? null;
  }

  async read(version: string | null): Promise<BanSnapshot | null> {
    const current = String(this.#version);
    if (version === current) return null;
    this.#forgetEnded();
    return { version: current, bans: [...this.#bans.values()] };
  }

  #forgetEnded(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, { untilMs }] of this.#bans) if (untilMs <= nowMs) this.#bans.delete(id);
  }

  #makeRoom(): void {
    const [first] = [...this.#bans.values()].sort((left, right) => left.untilMs - right.untilMs);
    if (first !== undefined) this.#bans.delete(first.id);
  }
}

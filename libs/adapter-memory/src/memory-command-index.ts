import type { TenantId } from '@breakwater/twin';
import type { Clock, CommandClaim, CommandIndex } from '@breakwater/twin-runtime';

/** The command index in memory. */
export class MemoryCommandIndex implements CommandIndex {
  readonly #clock: Clock;
  readonly #claims = new Map<string, { readonly claim: CommandClaim; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async claim(tenant: TenantId, commandId: string, claim: CommandClaim, ttlMs: number): Promise<CommandClaim | null> {
    // In one step: a wait between the look and the claim would let two have it.
    const known = this.#standing(tenant, commandId);
    if (known !== null) return known;
    this.#claims.set(nameOf(tenant, commandId), { claim, untilMs: this.#clock.nowMs() + ttlMs });
    return null;
  }

  async find(tenant: TenantId, commandId: string): Promise<CommandClaim | null> {
    return this.#standing(tenant, commandId);
  }

  async release(tenant: TenantId, commandId: string): Promise<void> {
    this.#claims.delete(nameOf(tenant, commandId));
  }

  #standing(tenant: TenantId, commandId: string): CommandClaim | null {
    const known = this.#claims.get(nameOf(tenant, commandId));
    return known !== undefined && known.untilMs > this.#clock.nowMs() ? known.claim : null;
  }
}

function nameOf(tenant: TenantId, commandId: string): string {
  return JSON.stringify([tenant, commandId]);
}

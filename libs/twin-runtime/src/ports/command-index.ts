import type { DeviceId, TenantId } from '@breakwater/twin';

/** Whose command an id is, what was ordered under it, and when: a repeated order has the deadline of the first. */
export interface CommandClaim {
  readonly device: DeviceId;
  readonly bodyDigest: string;
  readonly deadlineMs: number;
  readonly claimedAtMs: number;
}

/** Command ids of a tenant. The first claim of an id holds until its time is over. */
export interface CommandIndex {
  /** Null: the id was free and is claimed now. Otherwise who has it; who claims again gets the first claim. */
  claim(tenant: TenantId, commandId: string, claim: CommandClaim, ttlMs: number): Promise<CommandClaim | null>;
  find(tenant: TenantId, commandId: string): Promise<CommandClaim | null>;
  /** Frees an id under which nothing was ordered after all. */
  release(tenant: TenantId, commandId: string): Promise<void>;
}

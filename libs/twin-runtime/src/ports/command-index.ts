import type { DeviceId, TenantId } from '@breakwater/twin';

/** Whose command an id is, and a digest of what was ordered under it. */
export interface CommandClaim {
  readonly device: DeviceId;
  readonly bodyDigest: string;
}

/** Command ids of a tenant. The first claim of an id holds until its time is over. */
export interface CommandIndex {
  /** Null: the id was free and is claimed now. Otherwise who has it; the same claim again is answered with itself. */
  claim(tenant: TenantId, commandId: string, claim: CommandClaim, ttlMs: number): Promise<CommandClaim | null>;
  find(tenant: TenantId, commandId: string): Promise<CommandClaim | null>;
  /** Frees an id under which nothing was ordered after all. */
  release(tenant: TenantId, commandId: string): Promise<void>;
}

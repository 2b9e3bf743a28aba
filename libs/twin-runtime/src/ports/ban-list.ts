import type { DeviceId, TenantId } from '@breakwater/twin';

/** Who may not connect: a device with the credential that it used last, or whoever comes from an address. */
export type BanSubject =
  | {
      readonly kind: 'device';
      readonly tenant: TenantId;
      readonly device: DeviceId;
      /** Digest of the credential, so that it is refused before anything is looked up; null when there was none. */
      readonly credential: string | null;
    }
  | { readonly kind: 'address'; readonly address: string };

export type BanReason = 'flapping' | 'authenticationFailures';

export interface Ban {
  /** Made of the subject, so that who is banned twice has one ban. */
  readonly id: string;
  readonly subject: BanSubject;
  readonly reason: BanReason;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface NewBan {
  readonly subject: BanSubject;
  readonly reason: BanReason;
  readonly durationMs: number;
}

export interface BanSnapshot {
  readonly version: string;
  readonly bans: readonly Ban[];
}

/**
 * The bans of an installation, shared by its gateways. The list is bounded; each ban ends by itself. Times are those of
 * the list, so that gateways whose clocks differ mean the same.
 */
export interface BanList {
  /** Bans from now on, also who is banned already. A full list lets go of the ban that ends first. */
  put(ban: NewBan): Promise<Ban>;
  /** The ban that is over now; null when there is none in force. */
  lift(id: string): Promise<Ban | null>;
  /** One ban in force. */
  find(id: string): Promise<Ban | null>;
  /** All bans in force; null when none was put or lifted since `version`. That one ends by itself changes nothing. */
  read(version: string | null): Promise<BanSnapshot | null>;
}

/** Readable, and safe in the path of a URL: a tenant has no colon in it. */
export function banIdOf(subject: BanSubject): string {
  return subject.kind === 'device' ? `device:${subject.tenant}:${subject.device}` : `address:${subject.address}`;
}

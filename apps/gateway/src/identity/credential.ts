import type { ChainLink } from '@breakwater/device-trust';

/** What a device proved itself with: enough to ask again, later, whether it is still good. */
export type DeviceCredential =
  | { readonly kind: 'token'; readonly tokenHash: string }
  /** A child device, which is here by its assignment to a gateway device that proved itself. */
  | { readonly kind: 'gatewayDevice' }
  | { readonly kind: 'jwt'; readonly kid: string; readonly keyHash: string; readonly expiresAtMs: number }
  | {
      readonly kind: 'certificate';
      readonly caKeyHash: string;
      readonly links: readonly ChainLink[];
      readonly expiresAtMs: number;
    };

/** When the credential ends by its own date, if it has one. */
export function endOf(credential: DeviceCredential): number {
  return 'expiresAtMs' in credential ? credential.expiresAtMs : Number.POSITIVE_INFINITY;
}

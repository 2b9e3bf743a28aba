import { createHash } from 'node:crypto';

import { type DeviceKey, deviceKey, isDeviceId } from '@breakwater/twin';
import type { Clock, DeviceRegistry, RegisteredDevice } from '@breakwater/twin-runtime';

export interface DeviceCredentials {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
}

export type DeviceAuthentication =
  | { readonly kind: 'known'; readonly device: RegisteredDevice; readonly tokenHash: string }
  | { readonly kind: 'badCredentials' }
  | { readonly kind: 'clientIdTaken' };

const TOKEN_BYTES_MAX = 1_024;

/**
 * Says which device a connection is. The token is the password or the user name; the registry knows its SHA-256 only.
 *
 * The cache is for storms of reconnects, and may be stale for its time to live. So a session asks `isStillGood` once
 * more after it is in the directory: from then on whoever revokes the token finds the session and closes it.
 */
export class DeviceAuthenticator {
  readonly #registry: DeviceRegistry;
  readonly #clock: Clock;
  readonly #cacheEntriesMax: number;
  readonly #cacheMs: number;
  readonly #cache = new Map<string, { readonly device: RegisteredDevice; readonly untilMs: number }>();
  readonly #hashes = new Map<DeviceKey, string>();

  constructor(options: {
    readonly registry: DeviceRegistry;
    readonly clock: Clock;
    readonly cacheEntriesMax: number;
    readonly cacheMs: number;
  }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#cacheEntriesMax = options.cacheEntriesMax;
    this.#cacheMs = options.cacheMs;
  }

  async authenticate(credentials: DeviceCredentials): Promise<DeviceAuthentication> {
    for (const token of tokensOf(credentials)) {
      const tokenHash = hashOfToken(token);
      const device = await this.#deviceOf(tokenHash);
      if (device === null) continue;
      if (await this.#namesAnotherDevice(credentials.clientId, device)) return { kind: 'clientIdTaken' };
      return { kind: 'known', device, tokenHash };
    }
    return { kind: 'badCredentials' };
  }

  /**
   * Asks the registry, past the cache, whether the token still is this life of the device's, and the device still what
   * the session took it for: one whose profile changed connects anew. A child has no token, but its gateway device.
   */
  async isStillGood(device: RegisteredDevice, tokenHash: string | null): Promise<boolean> {
    const found =
      tokenHash === null
        ? await this.#registry.findDevice(device.tenant, device.device)
        : await this.#registry.deviceOfToken(tokenHash);
    const good = found !== null && isSameRegistration(found, device);
    if (!good) this.forget(deviceKey(device.tenant, device.device));
    return good;
  }

  forget(key: DeviceKey): void {
    const tokenHash = this.#hashes.get(key);
    if (tokenHash === undefined) return;
    this.#hashes.delete(key);
    this.#cache.delete(tokenHash);
  }

  async #deviceOf(tokenHash: string): Promise<RegisteredDevice | null> {
    const nowMs = this.#clock.nowMs();
    const cached = this.#cache.get(tokenHash);
    if (cached !== undefined && cached.untilMs > nowMs) return cached.device;
    const device = await this.#registry.deviceOfToken(tokenHash);
    if (device !== null) this.#remember(tokenHash, device, nowMs + this.#cacheMs);
    return device;
  }

  #remember(tokenHash: string, device: RegisteredDevice, untilMs: number): void {
    const key = deviceKey(device.tenant, device.device);
    this.forget(key);
    if (this.#hashes.size >= this.#cacheEntriesMax) {
      const oldest = this.#hashes.keys().next();
      if (oldest.done !== true) this.forget(oldest.value);
    }
    this.#hashes.set(key, tokenHash);
    this.#cache.set(tokenHash, { device, untilMs });
  }

  /** The client id is the client's choice, but it must not look like another device of the tenant. */
  async #namesAnotherDevice(clientId: string, device: RegisteredDevice): Promise<boolean> {
    if (clientId === device.device || !isDeviceId(clientId)) return false;
    return (await this.#registry.findDevice(device.tenant, clientId)) !== null;
  }
}

function isSameRegistration(one: RegisteredDevice, other: RegisteredDevice): boolean {
  const { payloadFormat, isGateway, via } = other.profile;
  const sameProfile =
    one.profile.payloadFormat === payloadFormat && one.profile.isGateway === isGateway && one.profile.via === via;
  const sameLife = one.device === other.device && one.incarnation === other.incarnation;
  return one.tenant === other.tenant && sameLife && sameProfile;
}

/** The form in which the registry keeps a token: SHA-256, hex. */
export function hashOfToken(token: string | Uint8Array): string {
  return createHash('sha256').update(token).digest('hex');
}

function tokensOf(credentials: DeviceCredentials): readonly (string | Uint8Array)[] {
  const candidates = [credentials.password, credentials.username];
  return candidates.filter(
    (token): token is string | Uint8Array => token !== null && token.length > 0 && token.length <= TOKEN_BYTES_MAX,
  );
}

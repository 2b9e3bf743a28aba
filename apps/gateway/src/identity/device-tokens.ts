import { createHash } from 'node:crypto';

import { type DeviceKey, deviceKey } from '@breakwater/twin';
import type { Clock, DeviceRegistry, RegisteredDevice } from '@breakwater/twin-runtime';

export interface DeviceTokensOptions {
  readonly registry: DeviceRegistry;
  readonly clock: Clock;
  readonly cacheEntriesMax: number;
  readonly cacheMs: number;
}

/** Whose token it is. The cache is for storms of reconnects, and may be stale for its time to live. */
export class DeviceTokens {
  readonly #registry: DeviceRegistry;
  readonly #clock: Clock;
  readonly #cacheEntriesMax: number;
  readonly #cacheMs: number;
  readonly #cache = new Map<string, { readonly device: RegisteredDevice; readonly untilMs: number }>();
  readonly #hashes = new Map<DeviceKey, string>();

  constructor(options: DeviceTokensOptions) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#cacheEntriesMax = options.cacheEntriesMax;
    this.#cacheMs = options.cacheMs;
  }

  async deviceOf(tokenHash: string): Promise<RegisteredDevice | null> {
    const nowMs = this.#clock.nowMs();
    const cached = this.#cache.get(tokenHash);
    if (cached !== undefined && cached.untilMs > nowMs) return cached.device;
    const device = await this.#registry.deviceOfToken(tokenHash);
    if (device !== null) this.#remember(tokenHash, device, nowMs + this.#cacheMs);
    return device;
  }

  forget(key: DeviceKey): void {
    const tokenHash = this.#hashes.get(key);
    if (tokenHash === undefined) return;
    this.#hashes.delete(key);
    this.#cache.delete(tokenHash);
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
}

/** The form in which the registry keeps a token: SHA-256, hex. */
export function hashOfToken(token: string | Uint8Array): string {
  return createHash('sha256').update(token).digest('hex');
}

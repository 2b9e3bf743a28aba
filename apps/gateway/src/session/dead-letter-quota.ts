import type { DeviceKey } from '@breakwater/twin';

const HOUR_MS = 3_600_000;

/** How many bytes of dead letters are kept per device and hour. What is above is answered and counted, not kept. */
export class DeadLetterQuota {
  readonly #bytesMax: number;
  readonly #devicesMax: number;
  readonly #bytes = new Map<DeviceKey, number>();
  #hour = 0;

  constructor(limits: { readonly bytesPerHourMax: number; readonly devicesMax: number }) {
    this.#bytesMax = limits.bytesPerHourMax;
    this.#devicesMax = limits.devicesMax;
  }

  /** Takes the bytes from the device's quota, if they fit. */
  take(key: DeviceKey, bytes: number, nowMs: number): boolean {
    const hour = Math.floor(nowMs / HOUR_MS);
    if (hour !== this.#hour) {
      this.#hour = hour;
      this.#bytes.clear();
    }
    const used = this.#bytes.get(key);
    if (used === undefined && this.#bytes.size >= this.#devicesMax) return false;
    if ((used ?? 0) + bytes > this.#bytesMax) return false;
    this.#bytes.set(key, (used ?? 0) + bytes);
    return true;
  }
}

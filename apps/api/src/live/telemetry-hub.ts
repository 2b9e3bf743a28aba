import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { deviceKey, type DeviceKey, type JsonObject } from '@breakwater/twin';
import type { Clock, RegisteredDevice, TelemetryHints } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { CLOCK, LOGGER, TELEMETRY_HINTS } from '../api-ports.ts';
import { TwinReader } from '../services/twin-reader.ts';

/** Is given the whole twin as it is after its telemetry changed. */
export type TelemetryListener = (document: JsonObject) => void;

/** A device that sends a hundred times a second is still read, and shown, once. */
const PAUSE_MS = 1_000;

interface Followed {
  readonly listeners: Set<TelemetryListener>;
  device: RegisteredDevice;
  /** Telemetry changed since the last read began. */
  isHinted: boolean;
  isTelling: boolean;
}

/**
 * Brings telemetry to live views. Hints only say of which twins telemetry changed, so the twin is read: only one that
 * is looked at, and at most once per pause, however many look and however often it changes.
 */
@Injectable()
export class TelemetryHub implements OnApplicationShutdown {
  readonly #followed = new Map<DeviceKey, Followed>();
  readonly #stop = new AbortController();
  #subscribed: Promise<() => Promise<void>> | null = null;
  #isReadable = true;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TELEMETRY_HINTS) private readonly hints: TelemetryHints,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly reader: TwinReader,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    this.#followed.clear();
    const unsubscribe = await this.#subscribed?.catch(() => null);
    await unsubscribe?.();
  }

  /** From the moment that the promise resolves, a change of the device's telemetry reaches the listener. */
  async listen(device: RegisteredDevice, listener: TelemetryListener): Promise<() => void> {
    const key = deviceKey(device.tenant, device.device);
    const followed = this.#followed.get(key) ?? { listeners: new Set(), device, isHinted: false, isTelling: false };
    followed.device = device;
    followed.listeners.add(listener);
    this.#followed.set(key, followed);
    const unlisten = (): void => {
      followed.listeners.delete(listener);
      if (followed.listeners.size === 0 && this.#followed.get(key) === followed) this.#followed.delete(key);
    };
    try {
      await this.#subscribe();
    } catch (error) {
      unlisten();
      throw error;
    }
    return unlisten;
  }

  /** Subscribed from the first listener to the end of the process: coming and going views must not flap it. */
  async #subscribe(): Promise<void> {
    this.#subscribed ??= this.hints.subscribe((_partition, keys) => {
      for (const key of keys) this.#hinted(key);
    });
    const subscribed = this.#subscribed;
    try {
      await subscribed;
    } catch (error) {
      if (this.#subscribed === subscribed) this.#subscribed = null;
      throw error;
    }
  }

  #hinted(key: DeviceKey): void {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    followed.isHinted = true;
    if (!followed.isTelling) void this.#tell(followed);
  }

  async #tell(followed: Followed): Promise<void> {
    followed.isTelling = true;
    while (followed.isHinted && followed.listeners.size > 0 && !this.#stop.signal.aborted) {
      followed.isHinted = false;
      try {
        const { document } = await this.reader.twinOf(followed.device);
        for (const listener of followed.listeners) listener(document);
        this.#isReadable = true;
      } catch (error) {
        followed.isHinted = true;
        // Once per outage, not once per second and twin.
        if (this.#isReadable) this.logger.warn({ err: error }, 'twins cannot be read for their live views');
        this.#isReadable = false;
      }
      await this.clock.sleep(PAUSE_MS, this.#stop.signal);
    }
    followed.isTelling = false;
  }
}

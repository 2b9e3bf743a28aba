import type { DeviceKey, Partition } from '@breakwater/twin';
import { TELEMETRY_HINT_KEYS_MAX, type Clock, type TelemetryHints } from '@breakwater/twin-runtime';

export interface TelemetryHinterOptions {
  readonly hints: Pick<TelemetryHints, 'publish'>;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

/** Live views are told of a partition's telemetry at most this often. */
const INTERVAL_MS = 1_000;

/**
 * Tells live views which twins telemetry has changed: what gathers within a second is one message per partition. Of
 * more keys than one message holds the newest are told, and what could not be told is forgotten, not kept: the next
 * measurement of the device brings the next hint.
 */
export class TelemetryHinter {
  readonly #options: TelemetryHinterOptions;
  #gathered = new Map<Partition, Set<DeviceKey>>();

  constructor(options: TelemetryHinterOptions) {
    this.#options = options;
  }

  changed(partition: Partition, keys: readonly DeviceKey[]): void {
    let gathered = this.#gathered.get(partition);
    if (gathered === undefined) {
      gathered = new Set();
      this.#gathered.set(partition, gathered);
    }
    for (const key of keys) {
      gathered.delete(key);
      gathered.add(key);
    }
    for (const oldest of gathered) {
      if (gathered.size <= TELEMETRY_HINT_KEYS_MAX) break;
      gathered.delete(oldest);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, hints, onFailure } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(INTERVAL_MS, signal);
      const gathered = this.#gathered;
      this.#gathered = new Map();
      const told = [...gathered].map(([partition, keys]) => hints.publish(partition, [...keys]).catch(onFailure));
      await Promise.all(told);
    }
  }
}

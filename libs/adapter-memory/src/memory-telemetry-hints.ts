import type { DeviceKey, Partition } from '@breakwater/twin';
import { TELEMETRY_HINT_KEYS_MAX, type TelemetryHints } from '@breakwater/twin-runtime';

type Listener = (partition: Partition, keys: readonly DeviceKey[]) => void;

/** Telemetry hints in memory. */
export class MemoryTelemetryHints implements TelemetryHints {
  readonly #listeners = new Set<{ readonly tell: Listener }>();

  async publish(partition: Partition, keys: readonly DeviceKey[]): Promise<void> {
    if (keys.length === 0) return;
    const told = keys.slice(0, TELEMETRY_HINT_KEYS_MAX);
    for (const listener of this.#listeners) listener.tell(partition, told);
  }

  async subscribe(listener: Listener): Promise<() => Promise<void>> {
    const entry = { tell: listener };
    this.#listeners.add(entry);
    return async () => {
      this.#listeners.delete(entry);
    };
  }
}

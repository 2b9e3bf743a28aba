import type { DeviceKey, Partition } from '@breakwater/twin';

/** Keys that one message may carry: a reader that wants more than a hint reads the twin. */
export const TELEMETRY_HINT_KEYS_MAX = 1_000;

/**
 * Tells live views of which twins telemetry changed. Best effort, and lost for whoever is not listening: the stored
 * twin is the truth. Whoever publishes coalesces, one message per partition and second at most.
 */
export interface TelemetryHints {
  /** Keys beyond {@link TELEMETRY_HINT_KEYS_MAX} are dropped; no keys are no message. */
  publish(partition: Partition, keys: readonly DeviceKey[]): Promise<void>;
  /** Calls back for every message of every partition until the returned function is called. */
  subscribe(listener: (partition: Partition, keys: readonly DeviceKey[]) => void): Promise<() => Promise<void>>;
}

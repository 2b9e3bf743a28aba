import type { DeviceKey } from '@breakwater/twin';

export interface CommandHint {
  readonly key: DeviceKey;
  readonly commandId: string;
}

/**
 * Tells live views which commands went on. Best effort, and lost for whoever is not listening: the twin is the truth,
 * and keeps every transition of a command.
 */
export interface CommandHints {
  publish(hints: readonly CommandHint[]): Promise<void>;
  /** Calls back for every hint until the returned function is called. */
  subscribe(listener: (hint: CommandHint) => void): Promise<() => Promise<void>>;
}

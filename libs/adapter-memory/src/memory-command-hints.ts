import type { CommandHint, CommandHints } from '@breakwater/twin-runtime';

/** Command hints in memory. */
export class MemoryCommandHints implements CommandHints {
  readonly #listeners = new Set<{ readonly tell: (hint: CommandHint) => void }>();

  async publish(hints: readonly CommandHint[]): Promise<void> {
    for (const hint of hints) for (const listener of this.#listeners) listener.tell(hint);
  }

  async subscribe(listener: (hint: CommandHint) => void): Promise<() => Promise<void>> {
    const entry = { tell: listener };
    this.#listeners.add(entry);
    return async () => {
      this.#listeners.delete(entry);
    };
  }
}

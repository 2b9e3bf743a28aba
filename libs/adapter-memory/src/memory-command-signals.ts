import type { Partition } from '@breakwater/twin';
import type { CommandSignal, CommandSignals } from '@breakwater/twin-runtime';

/** Command signals in memory. */
export class MemoryCommandSignals implements CommandSignals {
  readonly #signalsMax: number;
  readonly #queues = new Map<Partition, Map<string, CommandSignal>>();

  constructor(options: { readonly signalsMax: number }) {
    this.#signalsMax = options.signalsMax;
  }

  async push(partition: Partition, signals: readonly CommandSignal[]): Promise<boolean> {
    const queue = this.#queues.get(partition) ?? new Map<string, CommandSignal>();
    this.#queues.set(partition, queue);
    const news = signals.filter(({ id }) => !queue.has(id));
    if (queue.size + news.length > this.#signalsMax) return false;
    for (const signal of news) queue.set(signal.id, signal);
    return true;
  }

  async read(partition: Partition, limit: number): Promise<readonly CommandSignal[]> {
    return [...(this.#queues.get(partition)?.values() ?? [])].slice(0, limit);
  }

  async confirm(partition: Partition, ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#queues.get(partition)?.delete(id);
  }
}

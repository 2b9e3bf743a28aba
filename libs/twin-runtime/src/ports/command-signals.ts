import type { DeviceKey, Partition } from '@breakwater/twin';

/** What became of a command, on its way to the command's workflow. */
export interface CommandSignal {
  /** The outbox entry that it comes from: pushing it again is nothing new. */
  readonly id: string;
  readonly key: DeviceKey;
  readonly commandId: string;
  /** The command as JSON text. Cumulative: of two signals of one command the later one says it all. */
  readonly document: string;
}

/**
 * Durable queues of signals, one per partition, between the outbox of a shard and the workflow engine. A signal waits
 * here, and not in the outbox, when the engine is away: the outbox is bounded, and full it stops its shard.
 */
export interface CommandSignals {
  /** False when the queue has no room for all of them; then none was taken. */
  push(partition: Partition, signals: readonly CommandSignal[]): Promise<boolean>;
  /** The oldest first. */
  read(partition: Partition, limit: number): Promise<readonly CommandSignal[]>;
  confirm(partition: Partition, ids: readonly string[]): Promise<void>;
}

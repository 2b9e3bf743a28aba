import type { DeviceKey, Partition } from '@breakwater/twin';
import type { CommandSignal, CommandSignals } from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';
import { pushSignalsScript } from '../scripts/command-signal-scripts.ts';
import { confirmOutboxScript, readOutboxScript } from '../scripts/outbox-scripts.ts';

export interface RedisCommandSignalsOptions {
  readonly redis: RedisClient;
  /** Of one partition. */
  readonly signalsMax: number;
}

/** Command signals as a hash with an order, like an outbox, and read and confirmed by the outbox's scripts. */
export class RedisCommandSignals implements CommandSignals {
  readonly #redis: RedisClient;
  readonly #signalsMax: number;

  constructor({ redis, signalsMax }: RedisCommandSignalsOptions) {
    this.#redis = redis;
    this.#signalsMax = signalsMax;
  }

  async push(partition: Partition, signals: readonly CommandSignal[]): Promise<boolean> {
    if (signals.length === 0) return true;
    const pairs = signals.flatMap(({ id, key, commandId, document }) => [
      id,
      JSON.stringify([key, commandId, document]),
    ]);
    return (await pushSignalsScript.run(this.#redis, keysOf(partition), [this.#signalsMax, ...pairs])) === 1;
  }

  async read(partition: Partition, limit: number): Promise<readonly CommandSignal[]> {
    const flat = (await readOutboxScript.run(this.#redis, keysOf(partition), [limit])) as string[];
    const signals: CommandSignal[] = [];
    for (let at = 0; at < flat.length; at += 2) {
      const [key, commandId, document] = JSON.parse(flat[at + 1]!) as [DeviceKey, string, string];
      signals.push({ id: flat[at]!, key, commandId, document });
    }
    return signals;
  }

  async confirm(partition: Partition, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await confirmOutboxScript.run(this.#redis, keysOf(partition), ids);
  }
}

function keysOf(partition: Partition): readonly string[] {
  return [redisKeys.commandSignals(partition), redisKeys.commandSignalsOrder(partition)];
}

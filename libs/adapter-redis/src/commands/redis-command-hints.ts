import type { CommandHint, CommandHints } from '@breakwater/twin-runtime';

import { RedisBroadcast } from '../redis-broadcast.ts';
import type { RedisClient } from '../redis-client.ts';
import { redisKeys } from '../redis-keys.ts';

/** Hints by broadcast: best effort, as the port says. */
export class RedisCommandHints implements CommandHints {
  readonly #broadcast: RedisBroadcast<readonly CommandHint[]>;

  constructor(redis: RedisClient) {
    this.#broadcast = new RedisBroadcast(redis, redisKeys.commandHintsChannel);
  }

  async publish(hints: readonly CommandHint[]): Promise<void> {
    if (hints.length > 0) await this.#broadcast.publish(hints);
  }

  subscribe(listener: (hint: CommandHint) => void): Promise<() => Promise<void>> {
    return this.#broadcast.subscribe((hints) => hints.forEach(listener));
  }

  /** Ends the listening connection; the connection that it was given stays open. */
  close(): void {
    this.#broadcast.close();
  }
}

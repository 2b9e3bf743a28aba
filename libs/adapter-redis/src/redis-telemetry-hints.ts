import type { DeviceKey, Partition } from '@breakwater/twin';
import { TELEMETRY_HINT_KEYS_MAX, type TelemetryHints } from '@breakwater/twin-runtime';

import { RedisBroadcast } from './redis-broadcast.ts';
import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';

interface Hint {
  readonly partition: Partition;
  readonly keys: readonly DeviceKey[];
}

/** Hints by broadcast: best effort, as the port says. */
export class RedisTelemetryHints implements TelemetryHints {
  readonly #broadcast: RedisBroadcast<Hint>;

  constructor(redis: RedisClient) {
    this.#broadcast = new RedisBroadcast(redis, redisKeys.telemetryHintsChannel);
  }

  async publish(partition: Partition, keys: readonly DeviceKey[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#broadcast.publish({ partition, keys: keys.slice(0, TELEMETRY_HINT_KEYS_MAX) });
  }

  subscribe(listener: (partition: Partition, keys: readonly DeviceKey[]) => void): Promise<() => Promise<void>> {
    return this.#broadcast.subscribe(({ partition, keys }) => listener(partition, keys));
  }

  /** Ends the listening connection; the connection that it was given stays open. */
  close(): void {
    this.#broadcast.close();
  }
}

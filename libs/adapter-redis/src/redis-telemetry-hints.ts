import type { DeviceKey, Partition } from '@breakwater/twin';
import { TELEMETRY_HINT_KEYS_MAX, type TelemetryHints } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { blockingConnection } from './connect-redis.ts';
import { redisKeys } from './redis-keys.ts';

type Listener = (partition: Partition, keys: readonly DeviceKey[]) => void;

interface Hint {
  readonly partition: Partition;
  readonly keys: readonly DeviceKey[];
}

/** Hints by PUBLISH: nothing is kept of them, and whoever is not connected misses them. */
export class RedisTelemetryHints implements TelemetryHints {
  readonly #redis: Redis;
  readonly #listeners = new Set<Listener>();
  #subscribed: { readonly connection: Redis; readonly done: Promise<unknown> } | null = null;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async publish(partition: Partition, keys: readonly DeviceKey[]): Promise<void> {
    if (keys.length === 0) return;
    const hint: Hint = { partition, keys: keys.slice(0, TELEMETRY_HINT_KEYS_MAX) };
    await this.#redis.publish(redisKeys.telemetryHintsChannel, JSON.stringify(hint));
  }

  async subscribe(listener: Listener): Promise<() => Promise<void>> {
    // Wrapped, so that one function that listens twice is two listeners.
    const own: Listener = (partition, keys) => listener(partition, keys);
    this.#listeners.add(own);
    this.#subscribed ??= this.#listen();
    try {
      await this.#subscribed.done;
    } catch (error) {
      this.#listeners.delete(own);
      this.close();
      throw error;
    }
    return () => {
      this.#listeners.delete(own);
      return Promise.resolve();
    };
  }

  /** Ends the listening connection; the connection that it was given stays open. */
  close(): void {
    this.#subscribed?.connection.disconnect();
    this.#subscribed = null;
  }

  #listen(): { readonly connection: Redis; readonly done: Promise<unknown> } {
    // ioredis subscribes again after a reconnect; a subscriber has nothing to wait for, so its wait is unbounded.
    const connection = blockingConnection(this.#redis, 0);
    connection.on('message', (_channel: string, text: string) => {
      const { partition, keys } = JSON.parse(text) as Hint;
      for (const listener of this.#listeners) listener(partition, keys);
    });
    return { connection, done: connection.subscribe(redisKeys.telemetryHintsChannel) };
  }
}

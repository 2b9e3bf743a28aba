import { blockingConnection } from './connect-redis.ts';
import type { RedisClient } from './redis-client.ts';

type Listener<Message> = (message: Message) => void;

/** Messages by PUBLISH on one channel: nothing is kept of them, and whoever is not connected misses them. */
export class RedisBroadcast<Message> {
  readonly #redis: RedisClient;
  readonly #channel: string;
  readonly #listeners = new Set<Listener<Message>>();
  #subscribed: { readonly connection: RedisClient; readonly done: Promise<unknown> } | null = null;

  constructor(redis: RedisClient, channel: string) {
    this.#redis = redis;
    this.#channel = channel;
  }

  async publish(message: Message): Promise<void> {
    await this.#redis.publish(this.#channel, JSON.stringify(message));
  }

  async subscribe(listener: Listener<Message>): Promise<() => Promise<void>> {
    // Wrapped, so that one function that listens twice is two listeners.
    const own: Listener<Message> = (message) => listener(message);
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

  #listen(): { readonly connection: RedisClient; readonly done: Promise<unknown> } {
    // ioredis subscribes again after a reconnect; a subscriber has nothing to wait for, so its wait is unbounded.
    const connection = blockingConnection(this.#redis, 0);
    connection.on('message', (_channel: string, text: string) => {
      const message = JSON.parse(text) as Message;
      for (const listener of this.#listeners) listener(message);
    });
    return { connection, done: connection.subscribe(this.#channel) };
  }
}

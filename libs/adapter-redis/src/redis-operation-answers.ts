import type { OperationAnswer, OperationAnswers } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { blockingConnection } from './connect-redis.ts';
import { redisKeys } from './redis-keys.ts';

/** Answers by PUBLISH: whoever is not connected misses them, and asks the twin instead. */
export class RedisOperationAnswers implements OperationAnswers {
  readonly #redis: Redis;
  readonly #listeners = new Set<(answer: OperationAnswer) => void>();
  #subscribed: { readonly connection: Redis; readonly done: Promise<unknown> } | null = null;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async publish(answers: readonly OperationAnswer[]): Promise<void> {
    if (answers.length > 0) await this.#redis.publish(redisKeys.operationsChannel, JSON.stringify(answers));
  }

  async subscribe(listener: (answer: OperationAnswer) => void): Promise<() => Promise<void>> {
    // Wrapped, so that one function that listens twice is two listeners.
    const own = (answer: OperationAnswer): void => listener(answer);
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
      for (const answer of JSON.parse(text) as OperationAnswer[]) {
        for (const listener of this.#listeners) listener(answer);
      }
    });
    return { connection, done: connection.subscribe(redisKeys.operationsChannel) };
  }
}

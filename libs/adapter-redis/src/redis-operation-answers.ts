import type { OperationAnswer, OperationAnswers } from '@breakwater/twin-runtime';

import { RedisBroadcast } from './redis-broadcast.ts';
import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';

/** Answers by broadcast: whoever is not connected misses them, and asks the twin instead. */
export class RedisOperationAnswers implements OperationAnswers {
  readonly #broadcast: RedisBroadcast<readonly OperationAnswer[]>;

  constructor(redis: RedisClient) {
    this.#broadcast = new RedisBroadcast(redis, redisKeys.operationsChannel);
  }

  async publish(answers: readonly OperationAnswer[]): Promise<void> {
    if (answers.length > 0) await this.#broadcast.publish(answers);
  }

  subscribe(listener: (answer: OperationAnswer) => void): Promise<() => Promise<void>> {
    return this.#broadcast.subscribe((answers) => {
      for (const answer of answers) listener(answer);
    });
  }

  /** Ends the listening connection; the connection that it was given stays open. */
  close(): void {
    this.#broadcast.close();
  }
}

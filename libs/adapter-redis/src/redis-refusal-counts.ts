import {
  OTHER_TENANTS,
  REFUSAL_LINES_MAX,
  type Refusal,
  type RefusalCounts,
  type RefusalFlush,
} from '@breakwater/twin-runtime';

import type { RedisClient } from './redis-client.ts';
import { redisKeys } from './redis-keys.ts';
import { addRefusalsScript } from './scripts/refusal-script.ts';

/** A flush is repeated for seconds, not for a day. */
const FLUSHER_LIFE_MS = 86_400_000;

/** One hash for all gateways: a line is `<tenant> <reason>`, and neither can hold a space. */
export class RedisRefusalCounts implements RefusalCounts {
  readonly #redis: RedisClient;
  readonly #linesMax: number;

  constructor(redis: RedisClient, linesMax = REFUSAL_LINES_MAX) {
    this.#redis = redis;
    this.#linesMax = linesMax;
  }

  async add({ flusherId, seq, refusals }: RefusalFlush): Promise<void> {
    const keys = [redisKeys.refusals, redisKeys.refusalFlusher(flusherId)];
    const lines = refusals.flatMap(({ tenant, reason, count }) => [tenant, reason, count]);
    await addRefusalsScript.run(this.#redis, keys, [seq, FLUSHER_LIFE_MS, this.#linesMax, OTHER_TENANTS, ...lines]);
  }

  async read(): Promise<readonly Refusal[]> {
    return Object.entries(await this.#redis.hgetall(redisKeys.refusals)).map(([line, count]) => {
      const space = line.indexOf(' ');
      return { tenant: line.slice(0, space), reason: line.slice(space + 1), count: Number(count) };
    });
  }
}

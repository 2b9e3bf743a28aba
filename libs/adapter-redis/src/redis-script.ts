import type { ChainableCommander, Redis } from 'ioredis';

export type ScriptArgument = string | number;
type ScriptCommand = (keyCount: number, keys: readonly string[], args: readonly ScriptArgument[]) => Promise<unknown>;

/**
 * A Lua script as a command of the connection: sent by its digest, with the text only where a connection has not used
 * it yet, inside pipelines too.
 */
export class RedisScript {
  readonly #name: string;
  readonly #lua: string;
  readonly #definedOn = new WeakSet<Redis>();

  constructor(name: string, lua: string) {
    this.#name = `bw_${name}`;
    this.#lua = lua;
  }

  run(redis: Redis, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    this.#define(redis);
    // Arrays are flattened by ioredis; spreading them here would overflow the stack at some ten thousand arguments.
    return (redis as unknown as Record<string, ScriptCommand>)[this.#name]!(keys.length, keys, args);
  }

  /** Puts the call into a pipeline of this connection. */
  queue(
    on: { readonly redis: Redis; readonly pipeline: ChainableCommander },
    keys: readonly string[],
    args: readonly ScriptArgument[],
  ): void {
    (on.pipeline as unknown as Record<string, ScriptCommand>)[this.#name]!(keys.length, keys, args);
  }

  /** A pipeline in which this script can be queued. */
  pipeline(redis: Redis): { readonly redis: Redis; readonly pipeline: ChainableCommander } {
    this.#define(redis);
    return { redis, pipeline: redis.pipeline() };
  }

  #define(redis: Redis): void {
    if (this.#definedOn.has(redis)) return;
    redis.defineCommand(this.#name, { lua: this.#lua });
    this.#definedOn.add(redis);
  }
}

export type PipelineReply = readonly [error: Error | null, value: unknown];

/** The replies of a pipeline, with an error as a value in its place. */
export async function repliesOf(pipeline: ChainableCommander): Promise<readonly PipelineReply[]> {
  return (await pipeline.exec()) ?? [];
}

/** The values of a pipeline; rejects with the first error. */
export async function valuesOf(pipeline: ChainableCommander): Promise<readonly unknown[]> {
  const replies = await repliesOf(pipeline);
  return replies.map(([error, value]) => {
    if (error !== null) throw error;
    return value;
  });
}

import type { ChainableCommander } from 'ioredis';

import { inOneWrite, isCluster, type RedisClient } from './redis-client.ts';

export type ScriptArgument = string | number | Buffer;

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly ScriptArgument[];
}

export type Reply = readonly [error: Error | null, value?: unknown];

type ScriptCommand = (keyCount: number, keys: readonly string[], args: readonly ScriptArgument[]) => Promise<unknown>;

/**
 * A Lua script as a command of the connection: sent by its digest, with the text only where a connection has not used
 * it yet.
 */
export class RedisScript {
  readonly #name: string;
  readonly #lua: string;
  readonly #definedOn = new WeakSet<RedisClient>();

  constructor(name: string, lua: string) {
    this.#name = `bw_${name}`;
    this.#lua = lua;
  }

  run(redis: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    this.#define(redis);
    return this.#callOn(redis, { keys, args });
  }

  /** As `run`, with every text of the reply as its bytes. */
  runForBytes(redis: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    this.#define(redis);
    return (redis as unknown as Record<string, ScriptCommand>)[`${this.#name}Buffer`]!(keys.length, keys, args);
  }

  /**
   * Several calls in one round trip and one turn of Redis' event loop; an error is a value in its place.
   *
   * They stand between MULTI and EXEC not to be atomic together, each is so alone, but to be written to disk together:
   * Redis reads a connection in pieces of some 32 KB and syncs its file after each piece in which something was
   * written, and between MULTI and EXEC nothing is. Measured with 16 commits of 25 KB: half the CPU and a third of the
   * latency.
   *
   * On a cluster a transaction has to lie on one slot. There each call goes its own way, with a redirection if it needs
   * one, and all to the same node leave in one write.
   */
  async runAll(redis: RedisClient, calls: readonly ScriptCall[]): Promise<readonly Reply[]> {
    if (calls.length === 0) return [];
    if (isCluster(redis)) {
      this.#define(redis);
      return Promise.all(inOneWrite(redis, () => calls.map((call) => replyOf(this.#callOn(redis, call)))));
    }
    const replies = await this.#attemptAll(redis, calls);
    if (!replies.some(([error]) => error?.message.startsWith('NOSCRIPT') === true)) return replies;
    // Somebody emptied the script cache. Inside MULTI ioredis cannot send the text instead, and none of these ran: they
    // all carry the same digest.
    await redis.script('LOAD', this.#lua);
    return this.#attemptAll(redis, calls);
  }

  async #attemptAll(redis: RedisClient, calls: readonly ScriptCall[]): Promise<readonly Reply[]> {
    this.#define(redis);
    if (calls.length === 1) return [await replyOf(this.#callOn(redis, calls[0]!))];
    try {
      return await this.#execute(redis.multi(), calls);
    } catch (error) {
      if (!isRefusedForMemory(error)) throw error;
      // With its memory used up Redis queues no command at all, and EXEC has run none. Outside MULTI it lets those run
      // that are flagged `allow-oom`, and names the reason for each of the others.
      return this.#execute(redis.pipeline(), calls);
    }
  }

  async #execute(on: ChainableCommander, calls: readonly ScriptCall[]): Promise<readonly Reply[]> {
    for (const call of calls) void this.#callOn(on, call);
    return (await on.exec()) ?? [];
  }

  #callOn(target: RedisClient | ChainableCommander, { keys, args }: ScriptCall): Promise<unknown> {
    // Arrays are flattened by ioredis; spreading them here would overflow the stack at some ten thousand arguments.
    return (target as unknown as Record<string, ScriptCommand>)[this.#name]!(keys.length, keys, args);
  }

  #define(redis: RedisClient): void {
    if (this.#definedOn.has(redis)) return;
    redis.defineCommand(this.#name, { lua: this.#lua });
    this.#definedOn.add(redis);
  }
}

function replyOf(call: Promise<unknown>): Promise<Reply> {
  return call.then(
    (value): Reply => [null, value],
    (error: Error): Reply => [error],
  );
}

function isRefusedForMemory(error: unknown): boolean {
  if (!(error instanceof Error) || !error.message.startsWith('EXECABORT')) return false;
  const { previousErrors } = error as Error & { readonly previousErrors?: readonly Error[] };
  return previousErrors?.some(({ message }) => message.startsWith('OOM')) === true;
}

/** The values of replies; throws the first error. */
export function valuesOf(replies: readonly Reply[]): readonly unknown[] {
  return replies.map(([error, value]) => {
    if (error !== null) throw error;
    return value;
  });
}

/** Calls of several nodes fail one by one; when none is answered that is an outage, and its first error is thrown. */
export function throwUnlessAnswered(replies: readonly Reply[]): void {
  if (replies.every(([error]) => error !== null)) valuesOf(replies);
}

/** Runs a pipeline of plain commands; rejects with the first error. */
export async function pipelined(pipeline: ChainableCommander): Promise<readonly unknown[]> {
  return valuesOf((await pipeline.exec()) ?? []);
}

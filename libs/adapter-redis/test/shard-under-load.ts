import { setTimeout as delay } from 'node:timers/promises';

import { assert, type DeviceKey, type Epoch, type LogId, type Offset, type Partition } from '@breakwater/twin';
import type { AppendRequest, CommitResult, ShardCommit } from '@breakwater/twin-runtime';

import { RedisEventLog, type RedisClient, RedisTwinStore } from '../src/index.ts';

const KEY = 'default/d1' as DeviceKey;
const MEBIBYTE = 1024 * 1024;
const PAUSE_MS = 20;
const SILENCE_MS_MAX = 60_000;

/** One record of telemetry applied to one twin. */
export function oneStep(partition: Partition, epoch: Epoch, at: number): ShardCommit {
  return {
    partition,
    epoch,
    logId: 'log-1' as LogId,
    expected: { control: 0 as Offset, telemetry: at as Offset },
    next: { control: 0 as Offset, telemetry: (at + 1) as Offset },
    twins: [{ key: KEY, expectedRevision: at, state: `state ${at + 1}` }],
    outbox: [],
    timers: [],
    counts: { control: {}, telemetry: { applied: 1 } },
    tenants: { control: {}, telemetry: { default: { applied: 1 } } },
  };
}

export function storeOn(redis: RedisClient): RedisTwinStore {
  return new RedisTwinStore({ redis, commitTwinsMax: 2_000, commitBytesMax: 4 * MEBIBYTE });
}

export function logOn(redis: RedisClient): RedisEventLog {
  return new RedisEventLog({
    redis,
    laneBytesMax: { control: 16 * MEBIBYTE, telemetry: 16 * MEBIBYTE },
    frameBytesMax: MEBIBYTE,
  });
}

/**
 * Appends and commits to one partition, one after the other, as gateway and worker do: an append without an answer is
 * repeated under its number, and after a commit without one the shard starts again from what is stored.
 */
export class ShardUnderLoad {
  readonly log: RedisEventLog;
  readonly store: RedisTwinStore;
  readonly partition: Partition;
  /** Whose promise was rejected, or whose outcome was unknown. */
  unanswered = 0;
  steps = 0;
  #epoch: Epoch | null = null;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(redis: RedisClient, partition: Partition) {
    this.log = logOn(redis);
    this.store = storeOn(redis);
    this.partition = partition;
  }

  start(): void {
    this.#running = this.#run();
    // It is awaited in `stop`.
    this.#running.catch(() => undefined);
  }

  /** Resolves after so many more steps. */
  async progresses(steps: number): Promise<void> {
    const enough = this.steps + steps;
    const endsAtMs = performance.now() + SILENCE_MS_MAX;
    while (this.steps < enough) {
      assert(performance.now() < endsAtMs, `partition ${this.partition} goes on after step ${this.steps}`);
      await Promise.race([delay(PAUSE_MS), this.#running]);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#append();
      await this.#commit();
      this.steps += 1;
    }
  }

  async #append(): Promise<void> {
    const { partition, steps } = this;
    const common = { lane: 'telemetry', producerId: 'producer', recordCount: 1 } as const;
    const request: AppendRequest = { ...common, partition, seq: steps + 1, body: `record ${steps}` };
    const [result] = await this.#answered(() => this.log.append([request]));
    assert(result?.kind === 'appended', `append ${steps} is taken, not ${result?.kind}`);
    assert(Number(result.firstOffset) === steps, `append ${steps} is once in the log`);
  }

  async #commit(): Promise<void> {
    for (;;) {
      this.#epoch ??= await this.#own();
      if (this.#epoch === null) return;
      const result = await this.#committed(this.#epoch);
      if (result.kind === 'committed') return;
      assert(result.kind === 'unknown', `commit ${this.steps} is not refused as ${result.code}`);
      this.unanswered += 1;
      this.#epoch = null;
    }
  }

  /** Null when the commit whose outcome was unknown had been applied. */
  async #own(): Promise<Epoch | null> {
    const { epoch, positions } = await this.#answered(() => this.store.takeOwnership(this.partition, 'worker'));
    const applied = Number(positions.telemetry) - this.steps;
    assert(applied === 0 || applied === 1, `no commit is lost or applied twice, at ${positions.telemetry}`);
    this.#epoch = epoch;
    return applied === 1 ? null : epoch;
  }

  async #committed(epoch: Epoch): Promise<CommitResult> {
    try {
      const [result] = await this.store.commit([oneStep(this.partition, epoch, this.steps)]);
      return result!;
    } catch (error) {
      return { kind: 'unknown', code: 'OUTCOME_UNKNOWN', error: error as Error };
    }
  }

  async #answered<Result>(attempt: () => Promise<Result>): Promise<Result> {
    const endsAtMs = performance.now() + SILENCE_MS_MAX;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (performance.now() > endsAtMs) throw error;
        this.unanswered += 1;
        await delay(PAUSE_MS);
      }
    }
  }
}

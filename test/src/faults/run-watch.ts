import { logEndsOf } from './log-ends.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';

const SAMPLE_EVERY_MS = 100;

interface SeenPartition {
  position: number;
  movedAtMs: number;
}

/**
 * Watches partitions while a fault strikes: how long records of one waited while none was applied. After the end of an
 * owner that is the time until the next one has applied something.
 */
export class PartitionWatch {
  readonly #platform: PlatformUnderFault;
  readonly #partitions: number;
  readonly #seen = new Map<number, SeenPartition>();
  #worstMs = 0;
  #stageMs = new Map<number, number>();
  #running = true;
  readonly #ended: Promise<void>;

  constructor(platform: PlatformUnderFault, partitions: number) {
    this.#platform = platform;
    this.#partitions = partitions;
    this.#ended = this.#run();
  }

  /** The worst of each partition since the last call. */
  takeStage(): ReadonlyMap<number, number> {
    const taken = this.#stageMs;
    this.#stageMs = new Map();
    return taken;
  }

  async stop(): Promise<number> {
    this.#running = false;
    await this.#ended;
    return this.#worstMs;
  }

  async #run(): Promise<void> {
    const ends = await logEndsOf(this.#platform, this.#partitions);
    let redis: Awaited<ReturnType<PlatformUnderFault['redis']>> | null = null;
    while (this.#running) {
      try {
        redis ??= await this.#platform.redis();
        const pipeline = redis.pipeline();
        for (let partition = 0; partition < this.#partitions; partition++) {
          pipeline.hget(`bw:{${partition}}:shard`, 'telemetry');
        }
        const positions = (await pipeline.exec()) ?? [];
        this.#sample(positions, await ends.read(redis));
      } catch {
        // A store may be what is away: there is nothing to be seen of the others then.
      }
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
    }
    redis?.disconnect();
    await ends.close();
  }

  #sample(positions: readonly (readonly [Error | null, unknown])[], ends: readonly number[]): void {
    const nowMs = Date.now();
    for (const [partition, end] of ends.entries()) {
      const [error, position] = positions[partition] ?? [null, null];
      if (error !== null) return;
      this.#note(partition, { position: Number(position ?? 0), end }, nowMs);
    }
  }

  #note(
    partition: number,
    { position, end }: { readonly position: number; readonly end: number },
    nowMs: number,
  ): void {
    const seen = this.#seen.get(partition);
    if (seen === undefined) {
      this.#seen.set(partition, { position, movedAtMs: nowMs });
      return;
    }
    const waitedMs = nowMs - seen.movedAtMs;
    this.#worstMs = Math.max(this.#worstMs, waitedMs);
    this.#stageMs.set(partition, Math.max(this.#stageMs.get(partition) ?? 0, waitedMs));
    if (position !== seen.position || position >= end) {
      seen.position = position;
      seen.movedAtMs = nowMs;
    }
  }
}

/** The longest time in which nothing was acknowledged, from reports of how much was. */
export class SilenceWatch {
  #count = 0;
  #sinceMs: number | null = null;
  #longestMs = 0;

  note(acknowledged: number): void {
    const nowMs = Date.now();
    this.#sinceMs ??= nowMs;
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#sinceMs);
    if (acknowledged === this.#count) return;
    this.#count = acknowledged;
    this.#sinceMs = nowMs;
  }

  get longestMs(): number {
    return this.#longestMs;
  }
}

import type { PlatformUnderFault } from './platform-under-fault.ts';

/** A worker that can be asked which shards it runs. */
export interface WatchedWorker {
  readonly name: string;
  readonly metricsPort: number;
}

interface OwnerWatchOptions {
  readonly platform: PlatformUnderFault;
  readonly partitions: number;
  /** Those that run now, in the supervisor's care and beside it. */
  readonly workers: () => Promise<readonly WatchedWorker[]>;
}

/** Partition to epoch number. */
type Epochs = ReadonlyMap<number, number>;

interface WorkerView {
  readonly shards: Epochs;
  /** Shards that it has lost because it could not renew in time. */
  readonly leasesLost: number;
}

const SAMPLE_EVERY_MS = 200;
const ANSWER_MS_MAX = 5_000;
const EPOCH_LINE = /^breakwater_twin_shard_epoch\{[^}]*partition="(\d+)"[^}]*\} (\d+)/;
const LEASES_LOST_LINE = /^breakwater_twin_shard_ends_total\{[^}]*reason="leaseLost"[^}]*\} (\d+)/;
const PROBLEMS_KEPT_MAX = 10;

/**
 * Asks every worker which shards it runs, again and again, and compares with the epochs that the store gave out. The
 * store is asked before and after the workers: of a partition whose epoch did not change in between at most one worker
 * may say that it runs it, and it must name this epoch. (Whoever writes without owning is found by the history.)
 */
export class OwnerWatch {
  readonly #options: OwnerWatchOptions;
  readonly #problems: string[] = [];
  readonly #ended: Promise<void>;
  #shares: ReadonlyMap<string, number> = new Map();
  #samples = 0;
  #leasesLost = 0;
  #comparisons = 0;
  #running = true;

  constructor(options: OwnerWatchOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  /**
   * What must not be on a machine that runs its processes. A worker that stood still for longer than its lease believes
   * in it for a moment more when it goes on: then nothing is said here, and the epoch keeps its commits out.
   */
  get problems(): readonly string[] {
    return this.#leasesLost === 0 ? this.#problems : [];
  }

  /** Shards of each worker when it was asked last. */
  get shares(): ReadonlyMap<string, number> {
    return this.#shares;
  }

  get summary(): string {
    const lost = this.#leasesLost > 0 ? `, ${this.#leasesLost} leases lost: the machine stood still` : '';
    return `${this.#samples} samples, ${this.#comparisons} times a shard with one owner${lost}`;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const redis = await this.#options.platform.redis();
    const epochs = async (): Promise<Epochs> => {
      const pipeline = redis.pipeline();
      for (let partition = 0; partition < this.#options.partitions; partition++) {
        pipeline.hget(`bw:{${partition}}:shard`, 'epoch');
      }
      const replies = (await pipeline.exec()) ?? [];
      return new Map(replies.map(([, epoch], partition) => [partition, Number.parseInt(String(epoch), 10)]));
    };
    while (this.#running) {
      try {
        const workers = await this.#options.workers();
        const before = await epochs();
        const views = await Promise.all(workers.map(({ metricsPort }) => viewOf(metricsPort)));
        this.#compare({ before, after: await epochs(), names: workers.map(({ name }) => name), views });
      } catch {
        // A worker that has just ended answers nothing: the next sample is without it.
      }
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
    }
    redis.disconnect();
  }

  #compare(sample: {
    readonly before: Epochs;
    readonly after: Epochs;
    readonly names: readonly string[];
    readonly views: readonly WorkerView[];
  }): void {
    const { before, after, names, views } = sample;
    this.#samples++;
    this.#leasesLost = Math.max(
      this.#leasesLost,
      views.reduce((sum, { leasesLost }) => sum + leasesLost, 0),
    );
    this.#shares = new Map(names.map((name, index) => [name, views[index]?.shards.size ?? 0]));
    for (const [partition, epoch] of before) {
      if (after.get(partition) !== epoch) continue;
      const owners = names.filter((_, index) => views[index]?.shards.has(partition));
      this.#comparisons += owners.length;
      if (owners.length > 1) this.#note(`partition ${partition} ran at the same time on ${owners.join(' and ')}`);
      for (const [index, { shards }] of views.entries()) {
        const seen = shards.get(partition);
        if (seen === undefined || seen === epoch) continue;
        this.#note(`${names[index]} ran partition ${partition} in epoch ${seen}, and the store had given out ${epoch}`);
      }
    }
  }

  #note(problem: string): void {
    if (this.#problems.length < PROBLEMS_KEPT_MAX) this.#problems.push(problem);
  }
}

async function viewOf(metricsPort: number): Promise<WorkerView> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  const shards = new Map<number, number>();
  let leasesLost = 0;
  for (const line of (await answer.text()).split('\n')) {
    const shard = EPOCH_LINE.exec(line);
    if (shard !== null) shards.set(Number(shard[1]), Number(shard[2]));
    leasesLost += Number(LEASES_LOST_LINE.exec(line)?.[1] ?? 0);
  }
  return { shards, leasesLost };
}

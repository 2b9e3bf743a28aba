import { MemoryTwinStore } from '@breakwater/adapter-memory';
import type { Epoch, Partition } from '@breakwater/twin';
import {
  type CachedTwin,
  type CommitResult,
  type Ownership,
  type ShardCommit,
  TwinCache,
} from '@breakwater/twin-runtime';

import type { FaultMix } from './fault-mix.ts';
import type { PlantedBugs } from './simulator.ts';

/** Takes a commit of any epoch for one of the present owner. */
class EpochBlindTwinStore extends MemoryTwinStore {
  readonly #epochs = new Map<Partition, Epoch>();

  override async takeOwnership(partition: Partition, ownerId: string): Promise<Ownership> {
    const ownership = await super.takeOwnership(partition, ownerId);
    this.#epochs.set(partition, ownership.epoch);
    return ownership;
  }

  override commit(commits: readonly ShardCommit[]): Promise<readonly CommitResult[]> {
    return super.commit(
      commits.map((commit) => ({ ...commit, epoch: this.#epochs.get(commit.partition) ?? commit.epoch })),
    );
  }
}

const TORN_EVERY = 50;
const NOTHING = { control: {}, telemetry: {} };

/** Writes states and position in two steps, and sometimes gets no further than the first. */
class TornTwinStore extends MemoryTwinStore {
  #commits = 0;

  override async commit(commits: readonly ShardCommit[]): Promise<readonly CommitResult[]> {
    if (++this.#commits % TORN_EVERY !== 0) return super.commit(commits);
    await super.commit(commits.map((each) => ({ ...each, next: each.expected, counts: NOTHING, tenants: NOTHING })));
    throw new Error('the store stopped between states and positions');
  }
}

/** Lets a twin leave memory although a commit that holds it is on its way. */
class ForgetfulTwinCache extends TwinCache {
  override pin(twin: CachedTwin): void {
    super.pin(twin);
    super.unpin(twin);
  }

  override unpin(twin: CachedTwin): void {
    if (twin.pins > 0) super.unpin(twin);
  }

  override changed(...change: Parameters<TwinCache['changed']>): void {
    super.changed(...change);
    const [twin] = change;
    if (twin.pins > 0) super.unpin(twin);
  }
}

export interface PlantedBug {
  readonly bugs: PlantedBugs;
  /** The promise that it breaks, as the checkers say it. */
  readonly breaks: RegExp;
  /** Faults without which the bug does no harm, where they are rare. */
  readonly faults?: Partial<FaultMix>;
}

/** How much smaller than usual the forgetful cache is, so that it has something to forget. */
const FORGETFUL_SHARE = 8;

/** Each bug that the simulation must find. */
export const PLANTED_BUGS: Readonly<Record<string, PlantedBug>> = {
  'no epoch check': {
    bugs: { store: () => new EpochBlindTwinStore() },
    breaks: /a commit of epoch .* in epoch/,
  },
  'position outside the commit': {
    bugs: { store: () => new TornTwinStore() },
    breaks: /was written and did not change|is not what its records make of it/,
  },
  'PUBACK before the append is durable': {
    bugs: { acknowledgeBeforeDurable: true },
    breaks: /was acknowledged and is not in the log/,
  },
  'an append repeated after a lost reply, under a new number': {
    bugs: { newSequenceAfterLostReply: true },
    breaks: /is in the log \d+ times/,
  },
  'an evicted twin loaded again before its commit': {
    bugs: { cache: (bytesMax) => new ForgetfulTwinCache(bytesMax / FORGETFUL_SHARE) },
    breaks: /an owner had an old twin in memory/,
    // Only a slow store is overtaken by the next load.
    faults: { slowRequest: 0.1 },
  },
};

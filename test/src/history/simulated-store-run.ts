import type { DeviceKey, Epoch, Partition } from '@breakwater/twin';
import { type Lane, LANES } from '@breakwater/twin-runtime';
import { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import type { StoreOperation, TwinVersions, TwinWritten } from './store-history.ts';

const PARTITIONS = 4;
const PRODUCERS = 2;
const TWINS = 16;
const RECORDS_PER_FRAME_MAX = 40;
const TWINS_PER_COMMIT_MAX = 4;
/** Of a hundred operations so many are of this kind; the others are commits. */
const SHARES = { append: 45, take: 2, trim: 8 } as const;
const HUNDRED = 100;

interface Shard {
  epochNumber: number;
  epoch: Epoch;
  readonly ends: Record<Lane, number>;
  readonly positions: Record<Lane, number>;
  readonly seqs: Map<string, number>;
  readonly twins: Map<DeviceKey, { revision: number; versions: TwinVersions }>;
}

/** What a log and a store that keep their promises do, drawn from a seed, without end: to try a checker on it. */
export class SimulatedStoreRun {
  readonly #random: SeededRandom;
  readonly #shards = new Map<Partition, Shard>();

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  next(): StoreOperation {
    const partition = this.#random.below(PARTITIONS) as Partition;
    const shard = this.#shards.get(partition);
    if (shard === undefined) return this.#take(partition);
    const draw = this.#random.below(HUNDRED);
    if (draw < SHARES.append) return this.#append(partition, shard);
    if (draw < SHARES.append + SHARES.take) return this.#take(partition);
    if (draw < SHARES.append + SHARES.take + SHARES.trim) {
      const lane = this.#lane();
      return { kind: 'trimmed', partition, lane, first: this.#random.below(shard.positions[lane] + 1) };
    }
    return this.#commit(partition, shard);
  }

  #append(partition: Partition, { ends, seqs }: Shard): StoreOperation {
    const lane = this.#lane();
    const producerId = `gateway-${this.#random.below(PRODUCERS)}`;
    const name = `${lane} ${producerId}`;
    const seq = (seqs.get(name) ?? 0) + 1;
    seqs.set(name, seq);
    const records = 1 + this.#random.below(RECORDS_PER_FRAME_MAX);
    const firstOffset = ends[lane];
    ends[lane] += records;
    return { kind: 'appended', partition, lane, firstOffset, records, producerId, seq };
  }

  #take(partition: Partition): StoreOperation {
    let shard = this.#shards.get(partition);
    if (shard === undefined) {
      const none = { control: 0, telemetry: 0 };
      const empty = { ends: { ...none }, positions: { ...none }, seqs: new Map(), twins: new Map() };
      shard = { epochNumber: 0, epoch: '' as Epoch, ...empty };
      this.#shards.set(partition, shard);
    }
    shard.epochNumber += 1;
    shard.epoch = `${shard.epochNumber}:owner` as Epoch;
    return { kind: 'owned', partition, epoch: shard.epoch };
  }

  #commit(partition: Partition, shard: Shard): StoreOperation {
    const from = { ...shard.positions };
    for (const lane of LANES) {
      const behind = shard.ends[lane] - shard.positions[lane];
      shard.positions[lane] += this.#random.below(behind + 1);
    }
    const to = { ...shard.positions };
    const outcomes = { control: to.control - from.control, telemetry: to.telemetry - from.telemetry };
    const twins: TwinWritten[] = [];
    const first = this.#random.below(TWINS);
    const count = 1 + this.#random.below(TWINS_PER_COMMIT_MAX);
    for (let number = first; number < first + count; number++) {
      twins.push(this.#write(shard, `default/device-${number % TWINS}` as DeviceKey));
    }
    return { kind: 'committed', partition, epoch: shard.epoch, from, to, outcomes, twins };
  }

  #write(shard: Shard, key: DeviceKey): TwinWritten {
    const before = shard.twins.get(key);
    const known = before?.versions ?? { incarnation: 1, version: 0, reportedVersion: 0, changeNumber: 0 };
    const grown = this.#random.below(2);
    const versions = { ...known, version: known.version + grown, changeNumber: known.changeNumber + grown };
    const revision = (before?.revision ?? 0) + 1;
    shard.twins.set(key, { revision, versions });
    return { key, revision, versions };
  }

  #lane(): Lane {
    return LANES[this.#random.below(LANES.length)] as Lane;
  }
}

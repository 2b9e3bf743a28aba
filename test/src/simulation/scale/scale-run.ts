import { MemoryEventLog, MemoryPartitionLeases, MemoryTwinStore } from '@breakwater/adapter-memory';
import type { LogId, Partition } from '@breakwater/twin';
import { DEFAULT_RUNTIME_LIMITS, HEARTBEATS_PER_LEASE, LANES, partitionsOf, TwinCache } from '@breakwater/twin-runtime';
import { SeededRandom, VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import { StoreHistory } from '../../history/store-history.ts';
import { chainModel } from '../chain-model.ts';
import { checkedLog, checkedStore } from '../checked-media.ts';
import { NO_FAULTS } from '../fault-mix.ts';
import { History } from '../history.ts';
import { Network } from '../network.ts';
import { SimulatedWorker, type Surroundings } from '../simulated-worker.ts';
import { Trace } from '../trace.ts';
import { unsettledPartitions } from '../unsettled-partitions.ts';
import { decodeLine, Workload } from '../workload.ts';
import { CallCounts, countedPort } from './counted-ports.ts';
import { ShardOwners } from './shard-owners.ts';

export interface ScaleOptions {
  readonly seed: number;
  readonly partitions: number;
  readonly workers: number;
  readonly onStep?: (step: ScaleStep) => void;
}

/** What one change of the number of workers did. Times are virtual. */
export interface ScaleStep {
  readonly name: string;
  readonly workersBefore: number;
  readonly workersAfter: number;
  /** From the change until each shard runs where the assignment has it. */
  readonly settledMs: number;
  /** Partitions with another owner than before, and how many had to get one for fair shares. */
  readonly moved: number;
  readonly movedLeast: number;
  /** How long each shard that moved had no owner. */
  readonly pausesMs: readonly number[];
  readonly shareLeast: number;
  readonly shareMost: number;
  /** Of log, store and leases together. */
  readonly callsPerSecond: number;
}

/** Calls per second while nothing changes. */
export interface RestCalls {
  readonly name: string;
  readonly calls: number;
  readonly items: number;
}

export interface ScaleResult {
  readonly steps: readonly ScaleStep[];
  readonly rest: readonly RestCalls[];
  readonly records: number;
  readonly virtualMs: number;
  readonly violations: readonly string[];
}

interface StepOptions {
  readonly name: string;
  /** Brings the change about; what it starts need not be over when it resolves. */
  readonly change: () => Promise<void> | void;
}

const START_MS = 1_790_000_000_000;
const SECOND_MS = 1_000;
const LEASE_TTL_MS = HEARTBEATS_PER_LEASE * DEFAULT_RUNTIME_LIMITS.heartbeatMs;
const LOOK_EVERY_MS = 50;
const SETTLE_MS_MAX = 120_000;
const REST_MS = 10_000;
/** Several heartbeats: what the change before it began is over. */
const BETWEEN_MS = 3_000;
/** Joining workers do not all start in the same millisecond. */
const JOIN_WITHIN_MS = 1_000;
const RESTART_MS = 1_500;
const KILLED_SHARE = 8;
const ROLLED_AT_ONCE = 4;
const LEFT_SHARE = 8;
const PRODUCER = 'load';

/**
 * A fleet of workers, the production regions, on log, store and leases in memory under a virtual clock: workers join,
 * leave and die while records flow, and every promise is checked as in any simulation. There are no other faults: what
 * is looked for is how hand-off and the calls of the stores grow with partitions and workers.
 */
export class ScaleRun {
  readonly #options: ScaleOptions;
  readonly #random: SeededRandom;
  readonly #time = new VirtualClock(START_MS);
  readonly #log: MemoryEventLog;
  readonly #store = new MemoryTwinStore();
  readonly #history: History;
  readonly #operations = new StoreHistory();
  readonly #counts = new CallCounts();
  readonly #owners: ShardOwners;
  readonly #surroundings: Surroundings;
  readonly #workers = new Map<string, SimulatedWorker>();
  readonly #partitions: readonly Partition[];
  readonly #steps: ScaleStep[] = [];
  #lives = 0;
  #records = 0;
  #flowing = true;

  constructor(options: ScaleOptions) {
    this.#options = options;
    const { seed, partitions } = options;
    this.#random = new SeededRandom(seed);
    this.#partitions = Array.from({ length: partitions }, (_, number) => number as Partition);
    const model = chainModel(() => {});
    const trace = new Trace(START_MS);
    this.#history = new History(model, decodeLine);
    this.#owners = new ShardOwners(this.#time, (sentence) => this.#history.fail(sentence));
    this.#log = new MemoryEventLog({ clock: this.#time, logId: `log-${seed}` as LogId });
    const told = { history: this.#history, operations: this.#operations, trace };
    const watch = { ...told, model, nowMs: () => this.#time.nowMs() };
    this.#surroundings = {
      time: this.#time,
      network: new Network(this.#time, this.#random.fork()),
      log: countedPort('log', checkedLog(this.#log, watch), this.#counts),
      store: countedPort('store', checkedStore(this.#store, watch), this.#counts),
      leases: countedPort('leases', new MemoryPartitionLeases(this.#time), this.#counts),
      history: this.#history,
      trace,
      partitionCount: partitions,
      modelFor: () => model,
      cacheFor: (bytesMax) => new TwinCache(bytesMax),
      pace: { limits: DEFAULT_RUNTIME_LIMITS, leaseTtlMs: LEASE_TTL_MS },
      observerOf: (memberId) => this.#owners.observerOf(memberId),
    };
  }

  async run(): Promise<ScaleResult> {
    const { workers } = this.#options;
    void this.#flow(this.#random.fork());
    await this.#step({ name: 'the first worker', change: () => this.#join(1) });
    await this.#step({ name: 'all the others join', change: () => this.#join(workers - 1) });
    const rest = await this.#rest();
    await this.#step({ name: 'one more joins', change: () => this.#join(1) });
    await this.#step({ name: 'one leaves', change: () => this.#leave(this.#some(1)) });
    await this.#step({ name: 'one is killed', change: () => this.#kill(this.#some(1)) });
    await this.#step({ name: 'its successor joins', change: () => this.#join(1) });
    await this.#step({ name: 'one is killed and comes back', change: () => this.#killAndRestart() });
    const eighth = Math.ceil(workers / KILLED_SHARE);
    await this.#step({ name: 'an eighth is killed', change: () => this.#kill(this.#some(eighth)) });
    await this.#step({ name: 'an eighth joins', change: () => this.#join(eighth) });
    await this.#step({ name: 'rolling restart', change: () => this.#roll() });
    const left = workers - Math.ceil(workers / LEFT_SHARE);
    await this.#step({ name: 'an eighth stays', change: () => this.#leave(this.#some(left)) });
    await this.#settle();
    return {
      steps: this.#steps,
      rest,
      records: this.#records,
      virtualMs: this.#time.nowMs() - START_MS,
      violations: [...this.#history.violations.map(({ message }) => message), ...this.#operations.violations],
    };
  }

  async #step({ name, change }: StepOptions): Promise<void> {
    await this.#time.advance(BETWEEN_MS);
    const before = new Map(this.#owners.owners);
    const workersBefore = this.#workers.size;
    this.#owners.pauses.take();
    this.#counts.take();
    const startMs = this.#time.nowMs();
    let changed = false;
    const changing = Promise.resolve(change()).then(() => {
      changed = true;
    });
    let settledAtMs: number | null = null;
    while (settledAtMs === null && this.#time.nowMs() - startMs < SETTLE_MS_MAX) {
      await this.#time.advance(LOOK_EVERY_MS);
      if (changed && this.#isAsAssigned()) settledAtMs = this.#time.nowMs();
    }
    if (!changed || settledAtMs === null) throw new Error(`not settled after ${SETTLE_MS_MAX} virtual ms: ${name}`);
    await changing;
    const settledMs = settledAtMs - startMs;
    const shares = [...this.#workers.keys()].map((memberId) => this.#owners.shareOf(memberId));
    const step: ScaleStep = {
      name,
      workersBefore,
      workersAfter: this.#workers.size,
      settledMs,
      moved: this.#partitions.filter((partition) => this.#owners.owners.get(partition) !== before.get(partition))
        .length,
      movedLeast: this.#leastMoves(before),
      pausesMs: this.#owners.pauses.take().map(({ fromMs, untilMs }) => untilMs - fromMs),
      shareLeast: Math.min(...shares),
      shareMost: Math.max(...shares),
      callsPerSecond: (sumOf(this.#counts.take()) * SECOND_MS) / settledMs,
    };
    this.#steps.push(step);
    this.#options.onStep?.(step);
  }

  /** Those whose owner is gone, and what the others have above the largest fair share. */
  #leastMoves(before: ReadonlyMap<Partition, string>): number {
    const most = Math.ceil(this.#partitions.length / this.#workers.size);
    const kept = new Map<string, number>();
    for (const owner of before.values()) if (this.#workers.has(owner)) kept.set(owner, (kept.get(owner) ?? 0) + 1);
    const stay = [...kept.values()].reduce((sum, count) => sum + Math.min(count, most), 0);
    return this.#partitions.length - stay;
  }

  #isAsAssigned(): boolean {
    const members = [...this.#workers.keys()].sort();
    return members.every((memberId) => {
      const share = partitionsOf(memberId, members, this.#partitions.length);
      return [...share].every((partition) => this.#owners.owners.get(partition) === memberId);
    });
  }

  async #rest(): Promise<readonly RestCalls[]> {
    await this.#time.advance(BETWEEN_MS);
    this.#counts.take();
    await this.#time.advance(REST_MS);
    const seconds = REST_MS / SECOND_MS;
    return [...this.#counts.take()]
      .map(([name, { calls, items }]) => ({ name, calls: calls / seconds, items: items / seconds }))
      .sort((left, right) => right.calls - left.calls);
  }

  async #join(count: number): Promise<void> {
    for (let number = 0; number < count; number++) {
      const worker = new SimulatedWorker(`w${++this.#lives}`, this.#surroundings, this.#random.fork());
      this.#workers.set(worker.memberId, worker);
      worker.start();
      if (count > 1) await this.#time.sleep(this.#random.below((2 * JOIN_WITHIN_MS) / count));
    }
  }

  async #leave(leaving: readonly SimulatedWorker[]): Promise<void> {
    for (const { memberId } of leaving) this.#workers.delete(memberId);
    await Promise.all(leaving.map((worker) => worker.stop()));
  }

  #kill(killed: readonly SimulatedWorker[]): void {
    for (const { memberId, process } of killed) {
      this.#workers.delete(memberId);
      process.kill();
      this.#owners.killed(memberId);
    }
  }

  async #killAndRestart(): Promise<void> {
    this.#kill(this.#some(1));
    await this.#time.sleep(RESTART_MS);
    await this.#join(1);
  }

  /** As a Deployment does it: a successor for each that left, some at a time. */
  async #roll(): Promise<void> {
    const old = [...this.#workers.values()];
    for (let first = 0; first < old.length; first += ROLLED_AT_ONCE) {
      const leaving = old.slice(first, first + ROLLED_AT_ONCE);
      await this.#leave(leaving);
      await this.#join(leaving.length);
      await this.#time.sleep(RESTART_MS);
    }
  }

  #some(count: number): readonly SimulatedWorker[] {
    const left = [...this.#workers.values()];
    return Array.from({ length: count }, () => left.splice(this.#random.below(left.length), 1)[0]!);
  }

  /** About one record a second for each partition. */
  async #flow(random: SeededRandom): Promise<void> {
    const partitionCount = this.#partitions.length;
    const workload = new Workload({ devices: partitionCount, partitionCount, random, faults: NO_FAULTS });
    const seqs = new Map<string, number>();
    while (this.#flowing) {
      await this.#time.sleep(SECOND_MS / partitionCount);
      const { id, lane, partition, line } = workload.next(this.#time.nowMs());
      const seq = (seqs.get(`${lane}/${partition}`) ?? 0) + 1;
      seqs.set(`${lane}/${partition}`, seq);
      const request = { lane, partition, producerId: PRODUCER, seq, body: line, recordCount: 1 };
      const [result] = await this.#surroundings.log.append([request]);
      if (result?.kind !== 'appended') throw new Error(`the log refused: ${String(result?.code)}`);
      this.#history.acknowledgedMessage(id);
      this.#records++;
    }
  }

  async #settle(): Promise<void> {
    this.#flowing = false;
    const media = { log: this.#log, store: this.#store };
    let problems: readonly string[] = [];
    for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SECOND_MS) {
      await this.#time.advance(SECOND_MS);
      problems = await unsettledPartitions(this.#partitions, media);
      if (problems.length === 0) break;
    }
    this.#history.finish(this.#partitions);
    for (const problem of problems) this.#history.fail(problem);
    for (const worker of this.#workers.values()) {
      for (const stopped of worker.stoppedPartitions) this.#history.fail(stopped);
    }
    for (const lane of LANES) {
      for (const partition of this.#partitions) {
        const { end } = await this.#log.bounds(lane, partition);
        if (end !== this.#history.of(partition).records[lane].length) {
          this.#history.fail(`${lane} of ${partition} ends at ${end}, and not all of it was seen`);
        }
      }
    }
  }
}

function sumOf(counts: ReadonlyMap<string, { readonly calls: number }>): number {
  let sum = 0;
  for (const { calls } of counts.values()) sum += calls;
  return sum;
}

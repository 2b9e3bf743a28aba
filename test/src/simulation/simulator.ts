import { MemoryEventLog, MemoryPartitionLeases, MemoryTwinStore } from '@breakwater/adapter-memory';
import type { LogId, Partition } from '@breakwater/twin';
import { type Lane, LANES, TwinCache } from '@breakwater/twin-runtime';
import { SeededRandom, VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import { StoreHistory } from '../history/store-history.ts';
import { chainModel, explosiveModel } from './chain-model.ts';
import { checkedLog, checkedStore } from './checked-media.ts';
import { type FaultMix, NO_FAULTS, swarm } from './fault-mix.ts';
import { History } from './history.ts';
import { Network } from './network.ts';
import { type DeviceMessage, type GatewayBugs, SimulatedGateway } from './simulated-gateway.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SimulatedWorker, type Surroundings } from './simulated-worker.ts';
import { remoteLog } from './remote-ports.ts';
import { Trace } from './trace.ts';
import { unsettledPartitions } from './unsettled-partitions.ts';
import { decodeLine, keyOfDevice, Workload } from './workload.ts';

/** Bugs that can be planted; each by putting a faulty part in the place of a good one. */
export interface PlantedBugs extends GatewayBugs {
  readonly store?: () => MemoryTwinStore;
  readonly cache?: (bytesMax: number) => TwinCache;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly bugs?: PlantedBugs;
  /** Devices are ordered about, too. */
  readonly commands?: boolean;
  /** Instead of the seed's own mix. */
  readonly faults?: Partial<FaultMix>;
  readonly onTrace?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number;
  readonly traceHash: string;
  readonly traceEvents: number;
  readonly acknowledged: number;
  readonly virtualMs: number;
  /** Records appended and twins written that the checker of histories has looked at. */
  readonly operations: number;
  readonly violations: readonly string[];
}

const START_MS = 1_790_000_000_000;
const DEVICES = 24;
const PARTITIONS = 4;
const WORKERS = 3;
const GATEWAYS = 2;
/** How long faults last. */
const STORM_MS = 20_000;
/** How long the platform may take, without faults, until all is quiet. */
const SETTLE_MS_MAX = 400_000;
const SETTLE_STEP_MS = 250;
/** Longer than any command lives, and its timer may be late. */
const DEADLINES_MS = 20_000;
const MESSAGES_PER_SECOND_MAX = 40;
const CHAOS_PERIOD_MS = 250;
const RESTART_MS_MAX = 2_000;
const PAUSE_MS_MAX = 6_000;
const TRIM_PERIOD_MS = 1_000;
const SECOND_MS = 1_000;
const PARTITION_LIST = Array.from({ length: PARTITIONS }, (_, number) => number as Partition);

/** Runs the production runtime through one storm, under virtual time, and checks every promise it makes. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulator(options).run();
}

class Simulator {
  readonly #options: SimulationOptions;
  readonly #random: SeededRandom;
  readonly #faults: FaultMix;
  readonly #time = new VirtualClock(START_MS);
  readonly #trace: Trace;
  readonly #history: History;
  readonly #operations = new StoreHistory();
  readonly #surroundings: Surroundings;
  readonly #workers: SimulatedWorker[] = [];
  readonly #gateways: { gateway: SimulatedGateway; process: SimulatedProcess }[] = [];
  readonly #log: MemoryEventLog;
  readonly #store: MemoryTwinStore;
  readonly #leases: MemoryPartitionLeases;
  #lives = 0;
  #storming = true;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { seed, bugs = {} } = options;
    this.#random = new SeededRandom(seed);
    this.#faults = { ...swarm(this.#random.fork()), ...options.faults };
    this.#trace = new Trace(START_MS, options.onTrace ?? null);
    // Every fourth run uses the twin as it is, where a message without effect leaves nothing to be stored.
    const modelFor = seed % 4 === 3 ? explosiveModel : chainModel;
    const model = modelFor(() => {});
    this.#history = new History(model, decodeLine);
    this.#log = new MemoryEventLog({ clock: this.#time, logId: `log-${seed}` as LogId });
    this.#store = bugs.store?.() ?? new MemoryTwinStore();
    this.#leases = new MemoryPartitionLeases(this.#time);
    const told = { history: this.#history, operations: this.#operations, trace: this.#trace };
    const watch = { ...told, model, nowMs: () => this.#time.nowMs() };
    this.#surroundings = {
      time: this.#time,
      network: new Network(this.#time, this.#random.fork()),
      log: checkedLog(this.#log, watch),
      store: checkedStore(this.#store, watch),
      leases: this.#leases,
      history: this.#history,
      trace: this.#trace,
      partitionCount: PARTITIONS,
      modelFor,
      cacheFor: bugs.cache ?? ((bytesMax) => new TwinCache(bytesMax)),
    };
  }

  async run(): Promise<SimulationResult> {
    for (let number = 0; number < WORKERS; number++) this.#startWorker(number);
    for (let number = 0; number < GATEWAYS; number++) this.#startGateway(number);
    this.#surroundings.network.faults = this.#faults;
    void this.#devices(this.#random.fork());
    void this.#chaos(this.#random.fork());
    void this.#trimming();
    await this.#time.advance(STORM_MS);
    this.#storming = false;
    this.#surroundings.network.faults = NO_FAULTS;
    for (const { process } of this.#workers) process.resume();
    await this.#settle();
    return {
      seed: this.#options.seed,
      traceHash: this.#trace.digest(),
      traceEvents: this.#trace.events,
      acknowledged: this.#history.acknowledged,
      virtualMs: this.#time.nowMs() - START_MS,
      operations: this.#operations.operations,
      violations: [...this.#history.violations.map(({ message }) => message), ...this.#operations.violations],
    };
  }

  async #settle(): Promise<void> {
    let problems: readonly string[] = [];
    for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SETTLE_STEP_MS) {
      await this.#time.advance(SETTLE_STEP_MS);
      problems = await this.#unsettled();
      if (problems.length === 0) break;
    }
    // Their deadlines lie ahead when the storm ends, and come by timers.
    if (this.#options.commands === true) await this.#time.advance(DEADLINES_MS);
    this.#history.finish(PARTITION_LIST, this.#time.nowMs() - DEADLINES_MS);
    for (const problem of problems) this.#fail(problem);
    for (let number = 0; number < DEVICES; number++) {
      const partition = (number % PARTITIONS) as Partition;
      const key = keyOfDevice(number);
      const { state } = await this.#store.read(partition, key);
      if (state !== this.#history.textOf(partition, key)) this.#fail(`${key} is stored as something else`);
    }
  }

  /** What is still on its way, or wrong. */
  async #unsettled(): Promise<readonly string[]> {
    const problems = [...(await unsettledPartitions(PARTITION_LIST, { log: this.#log, store: this.#store }))];
    for (const { gateway } of this.#gateways) {
      const waiting = gateway.pending().length;
      if (waiting > 0) problems.push(`${gateway.id} has ${waiting} messages without acknowledgement`);
    }
    for (const worker of this.#workers) problems.push(...worker.stoppedPartitions);
    return problems;
  }

  #fail(sentence: string): void {
    this.#history.fail(sentence);
  }

  #startWorker(number: number): void {
    const worker = new SimulatedWorker(`w${number}.${++this.#lives}`, this.#surroundings, this.#random.fork());
    this.#workers[number] = worker;
    worker.start();
  }

  async #restartWorker(number: number, random: SeededRandom): Promise<void> {
    await this.#time.sleep(random.below(RESTART_MS_MAX));
    this.#startWorker(number);
  }

  #startGateway(number: number): SimulatedGateway {
    const process = new SimulatedProcess(this.#time);
    const { log, network } = this.#surroundings;
    const gateway = new SimulatedGateway({
      id: `g${number}.${++this.#lives}`,
      process,
      log: remoteLog(log, network, process),
      random: this.#random.fork(),
      bugs: this.#options.bugs ?? {},
      onAcknowledged: ({ id }) => this.#history.acknowledgedMessage(id),
    });
    this.#gateways[number] = { gateway, process };
    void gateway.run();
    return gateway;
  }

  async #devices(random: SeededRandom): Promise<void> {
    const { commands = false } = this.#options;
    const faults = this.#faults;
    const workload = new Workload({ devices: DEVICES, partitionCount: PARTITIONS, random, faults, commands });
    const perSecond = 1 + random.below(MESSAGES_PER_SECOND_MAX);
    while (this.#storming) {
      await this.#time.sleep(random.below((2 * SECOND_MS) / perSecond));
      const message = workload.next(this.#time.nowMs());
      // A device stays with one gateway, or its messages would have no order.
      this.#gateways[message.partition % GATEWAYS]?.gateway.receive(message);
    }
  }

  async #chaos(random: SeededRandom): Promise<void> {
    const happens = (perSecond: number): boolean => random.chance((perSecond * CHAOS_PERIOD_MS) / SECOND_MS);
    while (this.#storming) {
      await this.#time.sleep(CHAOS_PERIOD_MS);
      for (const [number, worker] of this.#workers.entries()) {
        if (worker.process.isDead) continue;
        if (happens(this.#faults.workerCrashPerSecond)) worker.process.kill();
        else if (happens(this.#faults.workerPausePerSecond)) void this.#pause(worker, random.below(PAUSE_MS_MAX));
        else if (happens(this.#faults.leaseLossPerSecond)) void this.#forgetMember(worker);
        else if (happens(this.#faults.workerHandOffPerSecond)) {
          this.#trace.add(this.#time.nowMs(), `hand-off ${worker.memberId}`);
          void worker.stop().catch(() => {});
          void this.#restartWorker(number, random);
        }
      }
      for (let number = 0; number < GATEWAYS; number++) {
        if (happens(this.#faults.gatewayCrashPerSecond)) await this.#replaceGateway(number);
      }
    }
  }

  async #pause(worker: SimulatedWorker, durationMs: number): Promise<void> {
    this.#trace.add(this.#time.nowMs(), `pause ${worker.memberId} ${durationMs}`);
    worker.process.pause();
    await this.#time.sleep(durationMs);
    worker.process.resume();
  }

  async #forgetMember({ memberId }: SimulatedWorker): Promise<void> {
    this.#trace.add(this.#time.nowMs(), `forget ${memberId}`);
    await this.#leases.leave(memberId);
    for (const partition of PARTITION_LIST) await this.#leases.release(partition, memberId);
  }

  /** The devices of a dead gateway come back to another one and send again what nobody acknowledged. */
  async #replaceGateway(number: number): Promise<void> {
    const dead = this.#gateways[number];
    if (dead === undefined) return;
    this.#trace.add(this.#time.nowMs(), `gateway crash ${dead.gateway.id}`);
    dead.process.kill();
    await this.#log.fenceProducer(dead.gateway.id, PARTITION_LIST);
    const gateway = this.#startGateway(number);
    for (const message of dead.gateway.unacknowledged()) this.#resend(gateway, message);
  }

  /** A resent message with an id is acknowledged without an append when the log has it. */
  #resend(gateway: SimulatedGateway, message: DeviceMessage): void {
    if (this.#history.isAppended(message.id)) this.#history.acknowledgedMessage(message.id);
    else gateway.receive(message);
  }

  /** Workers that died, of whatever, are started again; the log forgets what every consumer has had. */
  async #trimming(): Promise<void> {
    const random = this.#random.fork();
    for (;;) {
      await this.#time.sleep(TRIM_PERIOD_MS);
      for (const [number, worker] of this.#workers.entries()) {
        if (worker.process.isDead) await this.#restartWorker(number, random);
      }
      for (const partition of PARTITION_LIST) {
        const { positions } = await this.#store.ledger(partition);
        for (const lane of LANES as readonly Lane[]) await this.#log.trim(lane, partition, positions[lane]);
      }
    }
  }
}

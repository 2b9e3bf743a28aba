import {
  ControlProducer,
  type EventLog,
  LeasedMembership,
  type PartitionLeases,
  type RecordAppender,
  type RegionObserver,
  type RuntimeLimits,
  ShardRegion,
  TwinCache,
  type TwinModel,
  type TwinStore,
} from '@breakwater/twin-runtime';
import type { SeededRandom, VirtualClock } from '@breakwater/twin-runtime/virtual-time';

import type { History } from './history.ts';
import type { Network } from './network.ts';
import { remoteLeases, remoteLog, remoteStore } from './remote-ports.ts';
import { SimulatedProcess } from './simulated-process.ts';
import type { Trace } from './trace.ts';
import { decodeLine, lineOfInput } from './workload.ts';

/** Small numbers, so that a short run meets every bound. */
const SIMULATED_LIMITS: Partial<RuntimeLimits> = {
  recordsPerBatchMax: 40,
  recordsPerShardMin: 8,
  twinsPerCommitMax: 8,
  bytesPerCommitMax: 16 * 1024,
  framesPerReadMax: 8,
  readWaitMs: 50,
  cacheBytesMax: 8 * 1024,
  outboxPerShardMax: 60,
  outboxHistoryPerShardMax: 60,
  outboxPerDispatchMax: 8,
  outboxRetryMs: 300,
  outboxRetryMaxMs: 2_000,
  heartbeatMs: 500,
  drainMaxMs: 1_000,
  retakeMaxMs: 1_000,
  failureRestMaxMs: 500,
  timerPollMs: 500,
  suspectRecords: 16,
};

const LEASE_TTL_MS = 2_000;
const GATEWAY_CONFIRMS_MS_MAX = 800;
const REJECTED_DISPATCH = 0.02;

/** What outlives the processes of a run. */
export interface Surroundings {
  readonly time: VirtualClock;
  readonly network: Network;
  readonly log: EventLog;
  readonly store: TwinStore;
  readonly leases: PartitionLeases;
  readonly history: History;
  readonly trace: Trace;
  readonly partitionCount: number;
  readonly modelFor: (onKill: () => void) => TwinModel;
  /** For planting a bug in the cache. */
  readonly cacheFor: (bytesMax: number) => TwinCache;
  /** Instead of small numbers. */
  readonly pace?: { readonly limits: RuntimeLimits; readonly leaseTtlMs: number };
  /** Is told of the shards of this worker. */
  readonly observerOf?: (memberId: string) => Pick<RegionObserver, 'shardStarted' | 'shardEnded'>;
}

/** One life of one worker process: the production region on simulated wires. */
export class SimulatedWorker {
  readonly memberId: string;
  readonly process: SimulatedProcess;
  readonly #region: ShardRegion;

  constructor(memberId: string, surroundings: Surroundings, random: SeededRandom) {
    const { time, network, history, trace, partitionCount } = surroundings;
    this.memberId = memberId;
    this.process = new SimulatedProcess(time);
    const { process } = this;
    const limits = surroundings.pace?.limits ?? SIMULATED_LIMITS;
    const observer = surroundings.observerOf?.(memberId);
    const store = remoteStore(surroundings.store, network, process);
    const log = remoteLog(surroundings.log, network, process);
    this.#region = new ShardRegion({
      memberId,
      log,
      store,
      membership: new LeasedMembership({
        leases: remoteLeases(surroundings.leases, network, process),
        memberId,
        partitionCount,
        leaseTtlMs: surroundings.pace?.leaseTtlMs ?? LEASE_TTL_MS,
        clock: process.clock,
      }),
      effects: {
        dispatch: (partition, _epoch, entries) =>
          network.call(process, async () => {
            if (random.chance(REJECTED_DISPATCH)) throw new Error('the feed is away');
            history.dispatched(entries, partition);
            // A gateway confirms what it delivered, later and by itself.
            const downlinks = entries.filter(({ kind }) => kind === 'downlink').map(({ id }) => id);
            const confirmAfterMs = random.below(GATEWAY_CONFIRMS_MS_MAX);
            void time.sleep(confirmAfterMs).then(() => surroundings.store.confirmOutbox(partition, downlinks));
            return entries.filter(({ kind }) => kind !== 'downlink').map(({ id }) => id);
          }),
      },
      input: inputOf(log, process, memberId),
      decode: decodeLine,
      clock: process.clock,
      random,
      limits,
      cache: surroundings.cacheFor(limits.cacheBytesMax ?? 0),
      model: surroundings.modelFor(() => process.kill()),
      observer: {
        shardStarted: (partition, ownership) => observer?.shardStarted(partition, ownership),
        shardEnded: (partition, end, error) => {
          observer?.shardEnded(partition, end, error);
          trace.add(time.nowMs(), `${memberId} ends ${partition}: ${end} ${describe(error)}`);
        },
      },
    });
  }

  start(): void {
    this.#region.start();
  }

  stop(): Promise<void> {
    return this.#region.stop();
  }

  get stoppedPartitions(): readonly string[] {
    return [...this.#region.status.stopped].map(([partition, error]) => `${partition}: ${error.message}`);
  }
}

/** Due timers enter the log as one life of one producer, as those of a real worker do. */
function inputOf(log: EventLog, { clock }: SimulatedProcess, memberId: string): RecordAppender {
  const producer = new ControlProducer({ log, clock, producerId: `${memberId}-input` });
  return {
    appendRecords: async (partition, records) => {
      const lines = records.map((record) => lineOfInput(record, clock.nowMs()));
      const results = await Promise.all(lines.map((line) => producer.append('control', partition, line)));
      return results.every(({ kind }) => kind === 'appended');
    },
  };
}

function describe(error: unknown): string {
  if (typeof error === 'string') return error;
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

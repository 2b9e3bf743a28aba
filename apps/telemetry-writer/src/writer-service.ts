import { hostname } from 'node:os';

import type { Logger, Metrics, QueueWatch, Readiness } from '@breakwater/observability';
import type { LogId, Offset, Partition } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import { Inject, Injectable } from '@nestjs/common';

import { keeperMetrics, LaneKeepers } from './lane-keepers.ts';
import { PositionMarker } from './position-marker.ts';
import { RangeGroup } from './range/range-group.ts';
import { RangeWriters } from './range/range-writers.ts';
import type { WriterSettings } from './read-writer-settings.ts';
import { writerMetrics } from './writer-metrics.ts';
import { WRITER_LOGGER, WRITER_METRICS, WRITER_PORTS, WRITER_SETTINGS, type WriterPorts } from './writer-ports.ts';
import { watchWriterQueues } from './writer-queues.ts';
import { WriterTurn } from './writer-turn.ts';

/** Whoever has this range does what is done once for the whole lane. */
const KEEPERS_RANGE = 0;

/** What one process does for ClickHouse: the writers of its ranges of partitions, and, at one process, the keepers. */
@Injectable()
export class WriterService {
  readonly #settings: WriterSettings;
  readonly #ports: WriterPorts;
  readonly #writers: RangeWriters;
  readonly #share: Pick<RangeGroup, 'start' | 'stop'>;
  readonly #newKeepers: () => LaneKeepers;
  readonly #marker: PositionMarker | null;
  readonly #queues: QueueWatch<'telemetry-writer'>;
  #keepers: LaneKeepers | null = null;
  #failed: (error: unknown) => void = () => undefined;
  #isMarking = false;

  constructor(
    @Inject(WRITER_SETTINGS) settings: WriterSettings,
    @Inject(WRITER_PORTS) ports: WriterPorts,
    @Inject(WRITER_METRICS) metrics: Metrics,
    @Inject(WRITER_LOGGER) logger: Logger,
  ) {
    this.#settings = settings;
    this.#ports = ports;
    const { clock } = ports;
    const owner = settings.ownerName || `${hostname()}/${process.pid}/${Date.now()}`;
    const failed = (error: unknown): void => this.#failed(error);
    this.#writers = new RangeWriters({ ports, settings, metrics: writerMetrics(metrics), logger, owner, failed });
    this.#queues = watchWriterQueues({ settings, metrics, writers: this.#writers });
    const ofKeepers = keeperMetrics(metrics, logger);
    this.#newKeepers = () =>
      new LaneKeepers({
        ...{ ports, settings, logger, ...ofKeepers },
        // The schema is there once a writer knows its position.
        isStoreReady: () => this.#writers.isAnyPositionKnown,
        writerPositions: (logId) => this.#positionsOfLane(logId),
      });
    const positions = () => this.#writers.positions();
    this.#marker = ports.marks === null ? null : new PositionMarker({ marks: ports.marks, positions, clock });
    const { leaseTtlMs, ranges } = settings;
    const common = { leaseTtlMs, clock, logger };
    this.#share =
      ranges === 1
        ? this.#asOnlyRange(new WriterTurn({ ...common, lease: ports.turnLease, writer: owner }))
        : new RangeGroup(
            { ...common, ranges, division: ports.turnLease, membership: ports.membershipOf(owner) },
            {
              begin: (range) => this.#begin(range),
              end: (range) => this.#end(range),
              lost: (range) => failed(new PlatformError('STALE_EPOCH', `another telemetry-writer has range ${range}`)),
            },
          );
  }

  /** Starts in the background, when there is something for it; `failed` is told when going on would be wrong. */
  start(failed: (error: unknown) => void): void {
    this.#failed = failed;
    this.#share.start();
    this.#queues.start();
  }

  /** The undivided lane is one range, which one writer at a time has. */
  #asOnlyRange(turn: WriterTurn): Pick<RangeGroup, 'start' | 'stop'> {
    const lost = (): void => this.#failed(new PlatformError('STALE_EPOCH', 'another telemetry-writer has the turn'));
    return {
      start: () => turn.start(() => this.#begin(KEEPERS_RANGE), lost),
      stop: async () => {
        await this.#end(KEEPERS_RANGE);
        await turn.stop();
      },
    };
  }

  #begin(range: number): void {
    this.#writers.begin(range);
    if (!this.#isMarking) this.#marker?.start();
    this.#isMarking = true;
    if (range !== KEEPERS_RANGE) return;
    this.#keepers = this.#newKeepers();
    this.#keepers.start();
  }

  async #end(range: number): Promise<void> {
    if (range === KEEPERS_RANGE) {
      await this.#keepers?.stop();
      this.#keepers = null;
    }
    await this.#writers.end(range);
  }

  /** What the ranges of other processes have stored stands in ClickHouse, like all positions. */
  async #positionsOfLane(logId: LogId): Promise<ReadonlyMap<Partition, Offset>> {
    return this.#settings.ranges === 1 ? this.#writers.positions(logId) : this.#ports.storedPositions(logId);
  }

  /** Ready as soon as it runs, also when it stands by: while ClickHouse is away the log buffers, which is no fault. */
  readiness(): Readiness {
    return { ready: true, degraded: [...this.#writers.degraded(), ...(this.#keepers?.degraded() ?? [])] };
  }

  async stop(): Promise<void> {
    this.#queues.stop();
    await this.#marker?.stop();
    await this.#share.stop();
  }
}

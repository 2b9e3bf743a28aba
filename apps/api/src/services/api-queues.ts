import { type Headroom, MemoryWatch, type Metrics, QueueWatch } from '@breakwater/observability';
import { type Clock, type EventLog, LaneFill } from '@breakwater/twin-runtime';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { API_OPTIONS, type ApiOptions, CLOCK, EVENT_LOG, METRICS } from '../api-ports.ts';
import { TwinStreams } from '../live/twin-stream.ts';
import { OperationWaits } from './operation-waits.ts';

const BYTES_PER_MEGABYTE = 1024 * 1024;

/** Everything that the callers of one API process can fill together, and the lanes of the log. */
@Injectable()
export class ApiQueues implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #lanes: LaneFill;
  readonly #isLaneBudgetKnown: boolean;
  readonly #watch: QueueWatch<'api'>;

  constructor(
    @Inject(CLOCK) clock: Clock,
    @Inject(EVENT_LOG) log: EventLog,
    @Inject(API_OPTIONS) options: ApiOptions,
    @Inject(METRICS) metrics: Metrics,
    waits: OperationWaits,
    streams: TwinStreams,
  ) {
    const lanes = new LaneFill({ log, clock, partitionCount: options.partitionCount });
    const memory = new MemoryWatch({ metrics, maxBytes: options.memoryMegabytesMax * BYTES_PER_MEGABYTE });
    this.#lanes = lanes;
    this.#isLaneBudgetKnown = options.laneBytesMax.telemetry !== null;
    this.#watch = new QueueWatch({
      metrics,
      process: 'api',
      queues: {
        writes: { used: () => waits.count, max: options.writesInFlightMax },
        twinStreams: { used: () => streams.openCount, max: options.streamsMax },
        controlLane: { used: () => lanes.bytes('control'), max: options.laneBytesMax.control },
        telemetryLane: { used: () => lanes.bytes('telemetry'), max: options.laneBytesMax.telemetry },
        memory: { used: () => memory.usedBytes(), max: memory.maxBytes },
      },
    });
  }

  onApplicationBootstrap(): void {
    if (this.#isLaneBudgetKnown) this.#lanes.start();
    this.#watch.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#watch.stop();
    await this.#lanes.stop();
  }

  filling(): readonly Headroom[] {
    return this.#watch.filling();
  }
}

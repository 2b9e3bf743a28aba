import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Partition } from '@breakwater/twin';
import { LANES, type Clock, type EventLog, type Lane, type LogBounds } from '@breakwater/twin-runtime';

import { API_OPTIONS, CLOCK, EVENT_LOG, type ApiOptions } from '../api-ports.ts';

const SAMPLE_EVERY_MS = 10_000;
/** Over less time a single frame would look like a storm. */
const SPAN_MS_MIN = 1_000;

interface Sample {
  readonly atMs: number;
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * How fast each lane of each partition has grown of late. The ends of the log are noted every ten seconds, and the rate
 * is taken from the older of the last two notes to the present: ten to twenty seconds.
 */
@Injectable()
export class AppendRates implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #samples: readonly Sample[] = [];

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
  ) {}

  onApplicationBootstrap(): void {
    this.#running = this.#run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async sample(): Promise<void> {
    const ends = new Map<string, number>();
    const partitions = Array.from({ length: this.options.partitionCount }, (_, at) => at as Partition);
    await Promise.all(
      LANES.flatMap((lane) =>
        partitions.map(async (partition) =>
          ends.set(`${lane}:${partition}`, (await this.log.bounds(lane, partition)).end),
        ),
      ),
    );
    this.#samples = [...this.#samples.slice(-1), { atMs: this.clock.nowMs(), ends }];
  }

  /**
   * In how many seconds the lane of this partition is full if it grows on at the present rate and nothing is trimmed:
   * the outage of its consumers that it still holds. Null while nothing is appended, or too little is known.
   */
  secondsLeft(lane: Lane, partition: Partition, bounds: LogBounds): number | null {
    const [since] = this.#samples;
    const bytesMax = this.options.laneBytesMax[lane];
    if (bytesMax === null) return null;
    const kept = bounds.end - bounds.first;
    if (since === undefined || kept <= 0) return null;
    const spanMs = this.clock.nowMs() - since.atMs;
    // A log that was made anew ends before what was noted of the old one.
    const appended = bounds.end - (since.ends.get(`${lane}:${partition}`) ?? bounds.end);
    if (spanMs < SPAN_MS_MIN || appended <= 0) return null;
    const bytesPerSecond = (appended / spanMs) * 1_000 * (bounds.bytes / kept);
    const bytesLeft = Math.max(0, bytesMax - bounds.bytes);
    return bytesPerSecond > 0 ? Math.floor(bytesLeft / bytesPerSecond) : null;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // A rate across an outage of the log would be too low: what was known before it is forgotten.
      await this.sample().catch(() => (this.#samples = []));
      await this.clock.sleep(SAMPLE_EVERY_MS, this.#stop.signal);
    }
  }
}

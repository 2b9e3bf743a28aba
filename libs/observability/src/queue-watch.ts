import { FillTrend, HEADROOM_SECONDS_MAX } from './fill-trend.ts';
import { Gauge, type Metrics } from './metrics.ts';
import type { ProcessName, QueueName } from './queue-inventory.ts';

/** One queue: how much is in it, or in each part of it, and how much may be. */
export interface WatchedQueue {
  readonly used: () => number | readonly number[];
  /** Of each part. Null where nobody here knows it: then nothing is shown, rather than that it is empty. */
  readonly max: number | null;
}

/** What is about to fill. */
export interface Headroom {
  readonly queue: string;
  readonly used: number;
  readonly max: number;
  readonly secondsLeft: number;
}

export interface QueueWatchOptions<Process extends ProcessName> {
  readonly metrics: Metrics;
  readonly process: Process;
  /** Every queue of the inventory, so that none is forgotten. */
  readonly queues: Readonly<Record<QueueName<Process>, WatchedQueue>>;
  readonly nowMs?: () => number;
  /** Called before each sample. */
  readonly beforeSample?: () => void;
}

const SAMPLE_MS = 1_000;
/** What is full within this time is named by `/health/ready`. */
const NAMED_WITHIN_SECONDS = 3_600;
/** What is less full has time: a lane, say, fills up to what the log keeps behind its consumers, and stays there. */
const NAMED_FROM_SHARE = 0.5;

interface Watched {
  readonly name: string;
  readonly queue: { readonly used: WatchedQueue['used']; readonly max: number };
  readonly trends: FillTrend[];
  used: number;
  secondsLeft: number;
}

/**
 * The fill of every queue of a process, and in how many seconds each is full. A queue of several parts, like a lane of
 * the log, is as full as its fullest part: that part stops its senders, whatever room the others have.
 */
export class QueueWatch<Process extends ProcessName> {
  readonly #watched: readonly Watched[];
  readonly #nowMs: () => number;
  readonly #beforeSample: () => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: QueueWatchOptions<Process>) {
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#beforeSample = options.beforeSample ?? (() => undefined);
    this.#watched = Object.entries<WatchedQueue>(options.queues).flatMap(([name, { used, max }]) => {
      return max === null
        ? []
        : [{ name, queue: { used, max }, trends: [], used: 0, secondsLeft: HEADROOM_SECONDS_MAX }];
    });
    this.#show(options.metrics);
  }

  start(): void {
    this.sample();
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  sample(): void {
    this.#beforeSample();
    const nowMs = this.#nowMs();
    for (const each of this.#watched) {
      const { used, max } = { used: each.queue.used(), max: each.queue.max };
      const parts = typeof used === 'number' ? [used] : used;
      const seconds = parts.map((part, at) => {
        const trend = (each.trends[at] ??= new FillTrend());
        return trend.next({ used: part, max }, nowMs);
      });
      each.used = Math.max(0, ...parts);
      each.secondsLeft = Math.min(HEADROOM_SECONDS_MAX, ...seconds);
    }
  }

  /** What is half full, and full within the hour as things go, the first one first. */
  filling(): readonly Headroom[] {
    return this.#watched
      .filter(({ queue, used, secondsLeft }) => {
        return secondsLeft < NAMED_WITHIN_SECONDS && used >= queue.max * NAMED_FROM_SHARE;
      })
      .map(({ name, queue, used, secondsLeft }) => {
        return { queue: name, used, max: queue.max, secondsLeft: Math.floor(secondsLeft) };
      })
      .toSorted((left, right) => left.secondsLeft - right.secondsLeft);
  }

  #show(metrics: Metrics): void {
    const watched = this.#watched;
    const gauge = (name: string, help: string, value: (each: Watched) => number): void => {
      new Gauge({
        name: `breakwater_${name}`,
        help,
        labelNames: ['queue'],
        registers: [metrics.registry],
        collect() {
          for (const each of watched) this.set({ queue: each.name }, value(each));
        },
      });
    };
    gauge(
      'queue_used',
      'What is in a queue, in the unit of its limit; of a queue with parts, in the fullest.',
      (each) => each.used,
    );
    gauge('queue_max', 'What may be in a queue, or in a part of it.', (each) => each.queue.max);
    gauge(
      'headroom_seconds',
      `Until a queue is full as things go; ${HEADROOM_SECONDS_MAX} when it does not fill.`,
      (each) => each.secondsLeft,
    );
  }
}

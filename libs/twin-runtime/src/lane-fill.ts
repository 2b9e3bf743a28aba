import type { Partition } from '@breakwater/twin';

import type { Clock } from './ports/clock.ts';
import { type EventLog, type Lane, LANES } from './ports/event-log.ts';

const POLL_MS = 1_000;

/** How many bytes each lane of each partition of the log holds, as of about a second ago. */
export class LaneFill {
  readonly #log: Pick<EventLog, 'bounds'>;
  readonly #clock: Clock;
  readonly #partitions: readonly Partition[];
  readonly #stop = new AbortController();
  #bytes: Readonly<Record<Lane, readonly number[]>> = { control: [], telemetry: [] };
  #running: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly log: Pick<EventLog, 'bounds'>;
    readonly clock: Clock;
    readonly partitionCount: number;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#partitions = Array.from({ length: options.partitionCount }, (_, at) => at as Partition);
  }

  /** Of each partition in turn. Empty until the log was asked once. */
  bytes(lane: Lane): readonly number[] {
    return this.#bytes[lane];
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async read(): Promise<void> {
    const [control = [], telemetry = []] = await Promise.all(
      LANES.map((lane) =>
        Promise.all(this.#partitions.map(async (partition) => (await this.#log.bounds(lane, partition)).bytes)),
      ),
    );
    this.#bytes = { control, telemetry };
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // While the log is away, what was seen last stands.
      await this.read().catch(() => undefined);
      await this.#clock.sleep(POLL_MS, this.#stop.signal);
    }
  }
}

import type { Partition } from '@breakwater/twin';
import type { Clock, EventLog, Random, SessionDirectory } from '@breakwater/twin-runtime';

export interface GatewayIdentityOptions {
  readonly directory: SessionDirectory;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly partitionCount: number;
  readonly leaseTtlMs: number;
  /** A new identity holds: sessions may be opened under it. */
  readonly onTaken: (gatewayId: string) => void;
  /** The identity is gone: nothing may be appended or held under it any more. */
  readonly onLost: (gatewayId: string, detail: string) => void;
  readonly onTrouble: (detail: string) => void;
  /** Time that never jumps, and passes while this process stands still; Node's by default. */
  readonly uptimeMs?: () => number;
}

const RENEWALS_PER_LEASE = 3;
const RETRY_MS = 500;
/** Between renewals while everything waits for one. */
const DOUBTED_RETRY_MS = 50;
/** So often a gateway sees that it runs. */
const BEATS_PER_LEASE = 12;
/**
 * A standstill of this share of the lease puts the lease in doubt: a renewal came too late by then, and together with
 * the third of it that may have passed since the last one there is room for the answer.
 */
const STANDSTILL_SHARE = 1 / 3;
/** How often the log is told that this producer lives. The log forgets one that is idle for days, not for hours. */
const KEEP_PRODUCER_MS = 6 * 3_600_000;

/**
 * The gateway's name in the session directory, which is also its producer id in the log: whoever sees the lease run out
 * fences this name, and with it every append that the gateway might still have in the air. A name is used by one life
 * of one process, and the next one is taken only after the old one is fenced in every partition.
 *
 * A gateway that was stopped wakes up with messages that it had read, or finds in its sockets, and whose devices may be
 * elsewhere by now and have sent them again. Kafka knows no fence over processes, so it holds itself back: after a
 * standstill nothing is appended until a renewal that began afterwards says that the lease was never lost.
 */
export class GatewayIdentity {
  readonly #options: GatewayIdentityOptions;
  readonly #stopped = new AbortController();
  #id: string | null = null;
  #replacing = false;
  #trouble: string | null = null;
  /** When the log last knew for sure that the producer lives. */
  #keptAtMs = 0;
  #keeping = false;
  readonly #uptimeMs: () => number;
  /** When this process was last seen to run, by both clocks: one may jump, the other stops with a suspended machine. */
  #aliveAtMs: readonly number[];
  /** Standstills so far, and how many of them a renewal has settled. */
  #doubts = 0;
  #settledDoubts = 0;
  /** Wakes whoever waits for the time of the next renewal. */
  #doubted = new AbortController();

  constructor(options: GatewayIdentityOptions) {
    this.#options = options;
    this.#uptimeMs = options.uptimeMs ?? (() => performance.now());
    this.#aliveAtMs = this.#clocksMs();
  }

  /** Null while there is none: then no session may be opened. */
  get id(): string | null {
    return this.#id;
  }

  /** Why the lease is not renewed at present; null while it is. */
  get trouble(): string | null {
    return this.#trouble;
  }

  async start(): Promise<void> {
    await this.#take();
    this.#aliveAtMs = this.#clocksMs();
    void this.#renewals();
    void this.#beats();
  }

  /** Whether the lease is held as far as can be known, so that what waits may go into the log. */
  mayAppend(): boolean {
    const { leaseTtlMs, onTrouble } = this.#options;
    const nowMs = this.#clocksMs();
    const stillMs = Math.max(...nowMs.map((atMs, clock) => atMs - (this.#aliveAtMs[clock] ?? atMs)));
    this.#aliveAtMs = nowMs;
    if (stillMs > leaseTtlMs * STANDSTILL_SHARE) {
      this.#doubts += 1;
      this.#doubted.abort();
      onTrouble(`the gateway stood still for ${Math.round(stillMs)} ms: it appends nothing until its lease is renewed`);
    }
    return this.#doubts === this.#settledDoubts;
  }

  /** Gives the identity up and takes another one, however long that needs. */
  replace(detail: string): void {
    if (this.#id === null || this.#replacing || this.#stopped.signal.aborted) return;
    this.#replacing = true;
    void this.#replaceUntilDone(detail).finally(() => {
      this.#replacing = false;
    });
  }

  /** The sessions are closed and the appends are done: others need not wait for the lease to run out. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    const id = this.#id;
    this.#id = null;
    if (id !== null) await this.#options.directory.unregisterGateway(id);
  }

  async #take(): Promise<void> {
    const id = `gw-${this.#options.random.id()}`;
    const doubts = this.#doubts;
    await this.#options.directory.registerGateway(id, this.#options.leaseTtlMs);
    this.#id = id;
    this.#settledDoubts = doubts;
    this.#keptAtMs = this.#options.clock.nowMs();
    this.#options.onTaken(id);
  }

  async #renewals(): Promise<void> {
    const { clock, directory, leaseTtlMs } = this.#options;
    while (!this.#stopped.signal.aborted) {
      const isInDoubt = this.#doubts !== this.#settledDoubts;
      this.#doubted = new AbortController();
      if (isInDoubt) await this.#pause(DOUBTED_RETRY_MS);
      else await this.#pause(leaseTtlMs / RENEWALS_PER_LEASE, this.#doubted.signal);
      const id = this.#id;
      if (id === null || this.#replacing) continue;
      const startedAtMs = clock.nowMs();
      const doubts = this.#doubts;
      try {
        const held = await directory.renewGateway(id, leaseTtlMs);
        this.#trouble = null;
        if (id !== this.#id) continue;
        if (held) {
          this.#settledDoubts = doubts;
          this.#keepProducer(id);
        } else this.replace('the lease of the gateway ran out');
      } catch (error) {
        this.#trouble = `the lease was not renewed after ${clock.nowMs() - startedAtMs} ms: ${messageOf(error)}`;
        this.#options.onTrouble(this.#trouble);
      }
    }
  }

  #clocksMs(): readonly number[] {
    return [this.#uptimeMs(), this.#options.clock.nowMs()];
  }

  async #beats(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.#pause(this.#options.leaseTtlMs / BEATS_PER_LEASE);
      this.mayAppend();
    }
  }

  /**
   * A lane in which nothing happens for days would be forgotten, and the next append to it refused: that would cost
   * every device its connection. Not awaited, so that a slow log does not keep the lease from being renewed.
   */
  #keepProducer(id: string): void {
    const { clock, log } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#keeping || nowMs - this.#keptAtMs < KEEP_PRODUCER_MS) return;
    this.#keeping = true;
    void log
      .keepProducer(id, this.#partitions())
      .then(
        () => {
          if (id === this.#id) this.#keptAtMs = nowMs;
        },
        (error: unknown) => this.#options.onTrouble(`the log may forget this idle gateway: ${messageOf(error)}`),
      )
      .finally(() => {
        this.#keeping = false;
      });
  }

  #partitions(): readonly Partition[] {
    return Array.from({ length: this.#options.partitionCount }, (_, partition) => partition as Partition);
  }

  async #replaceUntilDone(detail: string): Promise<void> {
    const { directory, log, onLost, onTrouble } = this.#options;
    const old = this.#id;
    if (old === null) return;
    this.#id = null;
    onLost(old, detail);
    const partitions = this.#partitions();
    while (!this.#stopped.signal.aborted) {
      try {
        await log.fenceProducer(old, partitions);
        await directory.unregisterGateway(old);
        await this.#take();
        return;
      } catch (error) {
        onTrouble(`no new identity yet: ${messageOf(error)}`);
        await this.#pause(RETRY_MS);
      }
    }
  }

  async #pause(durationMs: number, sooner?: AbortSignal): Promise<void> {
    const { signal } = this.#stopped;
    try {
      await this.#options.clock.sleep(durationMs, sooner === undefined ? signal : AbortSignal.any([signal, sooner]));
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

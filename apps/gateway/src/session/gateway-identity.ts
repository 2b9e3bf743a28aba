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
}

const RENEWALS_PER_LEASE = 3;
const RETRY_MS = 500;
/** How often the log is told that this producer lives. The log forgets one that is idle for days, not for hours. */
const KEEP_PRODUCER_MS = 6 * 3_600_000;

/**
 * The gateway's name in the session directory, which is also its producer id in the log: whoever sees the lease run out
 * fences this name, and with it every append that the gateway might still have in the air. A name is used by one life
 * of one process, and the next one is taken only after the old one is fenced in every partition.
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

  constructor(options: GatewayIdentityOptions) {
    this.#options = options;
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
    void this.#renewals();
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
    await this.#options.directory.registerGateway(id, this.#options.leaseTtlMs);
    this.#id = id;
    this.#keptAtMs = this.#options.clock.nowMs();
    this.#options.onTaken(id);
  }

  async #renewals(): Promise<void> {
    const { clock, directory, leaseTtlMs } = this.#options;
    while (!this.#stopped.signal.aborted) {
      await this.#pause(leaseTtlMs / RENEWALS_PER_LEASE);
      const id = this.#id;
      if (id === null || this.#replacing) continue;
      const startedAtMs = clock.nowMs();
      try {
        const held = await directory.renewGateway(id, leaseTtlMs);
        this.#trouble = null;
        if (id !== this.#id) continue;
        if (held) this.#keepProducer(id);
        else this.replace('the lease of the gateway ran out');
      } catch (error) {
        this.#trouble = `the lease was not renewed after ${clock.nowMs() - startedAtMs} ms: ${messageOf(error)}`;
        this.#options.onTrouble(this.#trouble);
      }
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

  async #pause(durationMs: number): Promise<void> {
    try {
      await this.#options.clock.sleep(durationMs, this.#stopped.signal);
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

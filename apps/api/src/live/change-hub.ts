import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { DeviceKey, Partition } from '@breakwater/twin';
import type { ChangeFeed, Clock, FeedEntry } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { API_OPTIONS, CHANGE_FEED, CLOCK, LOGGER, type ApiOptions } from '../api-ports.ts';

export type ChangeListener = (entry: FeedEntry) => void;

const ENTRIES_MAX = 1_000;
const WAIT_MS = 1_000;
const PAUSE_AFTER_ERROR_MS = 500;

/**
 * One reader of the change feed for all live views of this process. It runs only while someone listens: whoever starts
 * to listen first reads where the feed stands, so nothing is missed between the two.
 */
@Injectable()
export class ChangeHub implements OnApplicationShutdown {
  readonly #listeners = new Map<DeviceKey, Set<ChangeListener>>();
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #started: Promise<Map<Partition, string>> | null = null;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CHANGE_FEED) private readonly feed: ChangeFeed,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** From the moment that the promise resolves, every change of the device reaches the listener. */
  async listen(key: DeviceKey, listener: ChangeListener): Promise<() => void> {
    const listeners = this.#listeners.get(key) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(key, listeners);
    const unlisten = (): void => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    };
    try {
      await this.#start();
    } catch (error) {
      unlisten();
      throw error;
    }
    return unlisten;
  }

  async #start(): Promise<void> {
    this.#started ??= this.#cursors();
    const started = this.#started;
    try {
      const cursors = await started;
      this.#running ??= this.#run(cursors).finally(() => (this.#running = null));
    } catch (error) {
      if (this.#started === started) this.#started = null;
      throw error;
    }
  }

  async #cursors(): Promise<Map<Partition, string>> {
    const partitions = Array.from({ length: this.options.partitionCount }, (_, at) => at as Partition);
    const ends = await Promise.all(partitions.map((partition) => this.feed.end(partition)));
    return new Map(partitions.map((partition, at) => [partition, ends[at] as string]));
  }

  async #run(cursors: Map<Partition, string>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // Decided and forgotten in one step: a listener that comes later starts a new reader from the present.
      if (this.#listeners.size === 0) break;
      try {
        for (const entry of await this.feed.read(cursors, { entriesMax: ENTRIES_MAX, waitMs: WAIT_MS })) {
          cursors.set(entry.partition, entry.cursor);
          for (const listener of this.#listeners.get(entry.change.key) ?? []) listener(entry);
        }
      } catch (error) {
        this.logger.warn({ err: error }, 'the change feed cannot be read');
        await this.clock.sleep(PAUSE_AFTER_ERROR_MS, this.#stop.signal);
      }
    }
    this.#started = null;
  }
}

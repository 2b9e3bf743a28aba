import { type DeviceKey, type Partition, splitDeviceKey } from '@breakwater/twin';
import type {
  Clock,
  CommandHints,
  CommandName,
  CommandSignal,
  CommandSignals,
  CommandWorkflows,
} from '@breakwater/twin-runtime';
import { type CommandDocument, partitionOf } from '@breakwater/wire';
import { isEnded } from '@breakwater/twin';

/** Signals of one partition that are looked at together. */
const SIGNALS_PER_READ = 500;
/** Signals on their way to Temporal at once. */
const SIGNALS_IN_FLIGHT_MAX = 64;
/** How long the word of a command that goes on waits for the next one. */
const COMPANY_MS = 100;
const TURN_MS = 20;
/** A hint may get lost: all partitions are looked through this often. */
const LOOK_THROUGH_MS = 1_000;
const REST_MS_MIN = 250;
const REST_MS_MAX = 10_000;

export interface SignalPumpOptions {
  readonly signals: Pick<CommandSignals, 'read' | 'confirm'>;
  readonly hints: Pick<CommandHints, 'subscribe'>;
  readonly workflows: Pick<CommandWorkflows<CommandName>, 'changed'>;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly onTrouble: (detail: string) => void;
  readonly onTold: (outcome: 'told' | 'gone') => void;
}

/** The newest word about one command, and all the entries that it answers for. */
interface Word {
  readonly command: CommandName;
  readonly ids: string[];
  document: string;
  isEnd: boolean;
}

/**
 * Brings the words of twins to the workflows of their commands, from the durable queue, at least once. Words are
 * cumulative, so several of one command become one signal: an end is told at once, the others wait a moment for
 * company. While Temporal is away everything stays in the queue.
 */
export class SignalPump {
  readonly #options: SignalPumpOptions;
  readonly #dirty = new Set<Partition>();
  /** When an entry that waits for company was first seen. Emptied with its partition. */
  readonly #seenAtMs = new Map<Partition, Map<string, number>>();
  readonly #stop = new AbortController();
  #lookedThroughAtMs = Number.NEGATIVE_INFINITY;
  #restMs = REST_MS_MIN;
  #loop: Promise<void> = Promise.resolve();
  #unsubscribe: (() => Promise<void>) | null = null;

  constructor(options: SignalPumpOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { hints, partitionCount } = this.#options;
    this.#unsubscribe = await hints.subscribe(({ key }) => this.#dirty.add(partitionOf(key, partitionCount)));
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#unsubscribe?.();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, onTrouble } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#turn();
        this.#restMs = REST_MS_MIN;
        await clock.sleep(TURN_MS, signal).catch(() => undefined);
      } catch (error) {
        onTrouble(error instanceof Error ? error.message : String(error));
        await clock.sleep(this.#restMs, signal).catch(() => undefined);
        this.#restMs = Math.min(2 * this.#restMs, REST_MS_MAX);
        this.#lookedThroughAtMs = Number.NEGATIVE_INFINITY;
      }
    }
  }

  async #turn(): Promise<void> {
    const { clock, partitionCount } = this.#options;
    if (clock.nowMs() - this.#lookedThroughAtMs >= LOOK_THROUGH_MS) {
      this.#lookedThroughAtMs = clock.nowMs();
      for (let partition = 0; partition < partitionCount; partition++) this.#dirty.add(partition as Partition);
    }
    const partitions = [...this.#dirty];
    this.#dirty.clear();
    await Promise.all(partitions.map((partition) => this.#drain(partition)));
  }

  async #drain(partition: Partition): Promise<void> {
    const entries = await this.#options.signals.read(partition, SIGNALS_PER_READ);
    const due = this.#dueWords(partition, entries);
    for (let at = 0; at < due.length; at += SIGNALS_IN_FLIGHT_MAX) {
      const words = due.slice(at, at + SIGNALS_IN_FLIGHT_MAX);
      const told = await Promise.allSettled(words.map((word) => this.#tell(word)));
      const ids = words.flatMap((word, index) => (told[index]?.status === 'fulfilled' ? word.ids : []));
      await this.#options.signals.confirm(partition, ids);
      const failed = told.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
    if (entries.length === SIGNALS_PER_READ) this.#dirty.add(partition);
  }

  #dueWords(partition: Partition, entries: readonly CommandSignal[]): readonly Word[] {
    const nowMs = this.#options.clock.nowMs();
    const seenBefore = this.#seenAtMs.get(partition);
    const seen = new Map<string, number>();
    const words = new Map<string, Word>();
    for (const { id, key, commandId, document } of entries) {
      seen.set(id, seenBefore?.get(id) ?? nowMs);
      const name = `${key} ${commandId}`;
      const word = words.get(name) ?? { command: nameOf(key, commandId), ids: [], document, isEnd: false };
      words.set(name, word);
      word.ids.push(id);
      word.document = document;
      word.isEnd = isEnded(JSON.parse(document) as CommandDocument);
    }
    const due = [...words.values()].filter(
      ({ isEnd, ids }) => isEnd || nowMs - (seen.get(ids[0] as string) ?? nowMs) >= COMPANY_MS,
    );
    if (due.length < words.size) this.#dirty.add(partition);
    this.#seenAtMs.set(partition, seen);
    return due;
  }

  async #tell({ command, document }: Word): Promise<void> {
    this.#options.onTold(await this.#options.workflows.changed(command, document));
  }
}

function nameOf(key: DeviceKey, commandId: string): CommandName {
  return { ...splitDeviceKey(key), commandId };
}

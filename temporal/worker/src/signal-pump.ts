import type { Partition } from '@breakwater/twin';
import {
  type Clock,
  type CommandHints,
  type CommandName,
  type CommandSignals,
  type CommandWorkflows,
  PlatformError,
} from '@breakwater/twin-runtime';
import { partitionOf } from '@breakwater/wire';

import type { LostWorkflows } from './lost-workflows.ts';
import { isEnd, PartitionWords, type Word } from './partition-words.ts';

/** Signals on their way to Temporal at once, of all partitions. */
export const SIGNALS_IN_FLIGHT_MAX = 64;
const TURN_MS = 20;
/** A hint may get lost: all partitions are looked through this often. */
const LOOK_THROUGH_MS = 1_000;
/** With so many failures in a row it is Temporal that is away, and not one word that it does not take. */
const FAILURES_OF_AN_OUTAGE = 8;
const REST_MS_MIN = 250;
const REST_MS_MAX = 2_000;

/** What became of a word. `startedAgain`: its workflow was lost, and there is another one now, which knows it. */
export type Telling = 'told' | 'gone' | 'startedAgain';

export interface SignalPumpOptions {
  readonly signals: Pick<CommandSignals, 'read' | 'confirm'>;
  readonly hints: Pick<CommandHints, 'subscribe'>;
  readonly workflows: Pick<CommandWorkflows<CommandName>, 'changed'>;
  /** Told of a word that no workflow is there for, of a command that goes on. */
  readonly lost: Pick<LostWorkflows, 'startAgain'>;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly onTrouble: (detail: string) => void;
  readonly onTold: (outcome: Telling) => void;
}

/**
 * Brings the words of twins to the workflows of their commands, from the durable queue, at least once. Words are
 * cumulative, so several of one command become one signal: an end is told at once, the others wait a moment for
 * company. Of one command one word is on its way at a time, so that they arrive in order. While Temporal is away
 * everything stays in the queue, and one word at a time tries whether it is back.
 */
export class SignalPump {
  readonly #options: SignalPumpOptions;
  readonly #words: readonly PartitionWords[];
  readonly #dirty = new Set<Partition>();
  /** Words that were told; they are confirmed together. Bounded by what is read of each partition. */
  readonly #told = new Map<Partition, readonly Word[]>();
  readonly #onTheirWay = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #lookedThroughAtMs = Number.NEGATIVE_INFINITY;
  #failuresInARow = 0;
  #restMs = REST_MS_MIN;
  #restUntilMs = Number.NEGATIVE_INFINITY;
  #turns = 0;
  #loop: Promise<void> = Promise.resolve();
  #unsubscribe: (() => Promise<void>) | null = null;

  constructor(options: SignalPumpOptions) {
    this.#options = options;
    this.#words = Array.from({ length: options.partitionCount }, () => new PartitionWords());
  }

  async start(): Promise<void> {
    const { hints, partitionCount } = this.#options;
    this.#unsubscribe = await hints.subscribe(({ key }) => this.#dirty.add(partitionOf(key, partitionCount)));
    this.#loop = this.#run();
  }

  /** What is on its way arrives; it is confirmed, or told once more by the next pump. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#unsubscribe?.();
    await this.#loop;
    await Promise.all(this.#onTheirWay);
    await this.#confirm().catch((error: unknown) => this.#trouble(error));
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#turn();
        await clock.sleep(TURN_MS, signal).catch(() => undefined);
      } catch (error) {
        this.#trouble(error);
        this.#lookedThroughAtMs = Number.NEGATIVE_INFINITY;
        await clock.sleep(REST_MS_MIN, signal).catch(() => undefined);
      }
    }
  }

  async #turn(): Promise<void> {
    await this.#confirm();
    const { clock, partitionCount } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs < this.#restUntilMs) return;
    if (nowMs - this.#lookedThroughAtMs >= LOOK_THROUGH_MS) {
      this.#lookedThroughAtMs = nowMs;
      for (let partition = 0; partition < partitionCount; partition++) this.#dirty.add(partition as Partition);
    }
    if (this.#freeSlots() <= 0) return;
    const partitions = this.#inTurn([...this.#dirty]);
    this.#dirty.clear();
    await Promise.all(partitions.map((partition) => this.#drain(partition)));
  }

  /** Each turn begins with another partition: when slots are few, none may have them all. */
  #inTurn(partitions: readonly Partition[]): readonly Partition[] {
    this.#turns += 1;
    const first = partitions.length === 0 ? 0 : this.#turns % partitions.length;
    return [...partitions.slice(first), ...partitions.slice(0, first)];
  }

  async #drain(partition: Partition): Promise<void> {
    const words = this.#words[partition] as PartitionWords;
    const entries = await this.#options.signals.read(partition, words.readLimit);
    const { due, hasMore } = words.pick(entries, this.#options.clock.nowMs());
    const now = this.#stop.signal.aborted ? [] : due.slice(0, Math.max(0, this.#freeSlots()));
    if (hasMore || now.length < due.length) this.#dirty.add(partition);
    for (const word of now) {
      words.left(word);
      const telling = this.#tell(partition, word).finally(() => this.#onTheirWay.delete(telling));
      this.#onTheirWay.add(telling);
    }
  }

  #freeSlots(): number {
    const slots = this.#failuresInARow < FAILURES_OF_AN_OUTAGE ? SIGNALS_IN_FLIGHT_MAX : 1;
    return slots - this.#onTheirWay.size;
  }

  async #tell(partition: Partition, word: Word): Promise<void> {
    const { workflows, lost, clock, onTold } = this.#options;
    try {
      const told = await workflows.changed(word.command, word.document);
      onTold(told === 'told' || isEnd(word) ? told : await lost.startAgain(word.command));
    } catch (error) {
      this.#words[partition]?.failed(word, clock.nowMs());
      this.#dirty.add(partition);
      if (!isOfThisWord(error)) this.#failuresInARow += 1;
      if (this.#failuresInARow >= FAILURES_OF_AN_OUTAGE) this.#rest();
      this.#trouble(error);
      return;
    }
    this.#failuresInARow = 0;
    this.#restMs = REST_MS_MIN;
    this.#restUntilMs = Number.NEGATIVE_INFINITY;
    this.#told.set(partition, [...(this.#told.get(partition) ?? []), word]);
  }

  /** Growing once per pause, not once for each of those that were on their way together. */
  #rest(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs < this.#restUntilMs) return;
    this.#restUntilMs = nowMs + this.#restMs;
    this.#restMs = Math.min(2 * this.#restMs, REST_MS_MAX);
  }

  /** Before anything is read again, so that no word is read, and told, that was told already. */
  async #confirm(): Promise<void> {
    await Promise.all([...this.#told].map(([partition, words]) => this.#confirmIn(partition, words)));
  }

  async #confirmIn(partition: Partition, words: readonly Word[]): Promise<void> {
    const ids = words.flatMap((word) => word.ids);
    await this.#options.signals.confirm(partition, ids);
    for (const word of words) this.#words[partition]?.confirmed(word);
    // The hint of what came meanwhile was used up while these stood in its way.
    this.#dirty.add(partition);
    // Others may have arrived meanwhile; they stand behind these.
    const left = (this.#told.get(partition) ?? []).slice(words.length);
    if (left.length === 0) this.#told.delete(partition);
    else this.#told.set(partition, left);
  }

  #trouble(error: unknown): void {
    this.#options.onTrouble(error instanceof Error ? error.message : String(error));
  }
}

/** Temporal is there and does not take it: that says nothing of other words. */
function isOfThisWord(error: unknown): boolean {
  return error instanceof PlatformError && !error.retryable;
}

/**
 * Which words of one partition may go to their workflows now. A word that waits for company, is on its way, or was not
 * taken never keeps those behind it from being seen: as many more entries are read as are held back.
 */
import { type DeviceKey, isEnded, splitDeviceKey } from '@breakwater/twin';
import type { CommandName, CommandSignal } from '@breakwater/twin-runtime';
import type { CommandDocument } from '@breakwater/wire';

/** New entries that are looked at together. */
export const SIGNALS_PER_READ = 500;
/** Entries that are looked at together at most, those that are held back included. */
const SIGNALS_PER_READ_MAX = 10_000;
/** How long the word of a command that goes on waits for the next one. */
export const COMPANY_MS = 100;
/** A word that was not taken is tried again after this, and later each time. */
const HOLD_MS_MIN = 250;
const HOLD_MS_MAX = 5_000;

/** The newest word about one command, and all the entries that it answers for. */
export interface Word {
  readonly name: string;
  readonly command: CommandName;
  readonly ids: readonly string[];
  readonly document: string;
}

interface Held {
  readonly notBeforeMs: number;
  readonly failures: number;
  readonly isOnItsWay: boolean;
}

export interface DueWords {
  readonly due: readonly Word[];
  /** Whether something waits for its time, or was not read: the partition has to be looked at again soon. */
  readonly hasMore: boolean;
}

export class PartitionWords {
  /** By command. Holds what was in the last read only. */
  #held = new Map<string, Held>();
  #heldEntries = 0;

  /** How many entries to read, so that new ones are among them. */
  get readLimit(): number {
    return Math.min(SIGNALS_PER_READ + this.#heldEntries, SIGNALS_PER_READ_MAX);
  }

  /** What may be told now, of entries that are in the order in which they came. */
  pick(entries: readonly CommandSignal[], nowMs: number): DueWords {
    const limit = this.readLimit;
    const words = gather(entries);
    const held = new Map<string, Held>();
    const due: Word[] = [];
    let heldEntries = 0;
    let hasMore = entries.length === limit;
    for (const word of words) {
      const known = this.#held.get(word.name);
      const state = known ?? { notBeforeMs: nowMs + COMPANY_MS, failures: 0, isOnItsWay: false };
      held.set(word.name, state);
      heldEntries += word.ids.length;
      if (state.isOnItsWay) continue;
      const isUntriedEnd = state.failures === 0 && isEnd(word);
      if (isUntriedEnd || nowMs >= state.notBeforeMs) due.push(word);
      else hasMore = true;
    }
    this.#held = held;
    this.#heldEntries = heldEntries;
    return { due, hasMore };
  }

  left({ name }: Word): void {
    this.#change(name, (held) => ({ ...held, isOnItsWay: true }));
  }

  /** Its entries are gone; what came of the same command meanwhile is a new word. */
  confirmed({ name }: Word): void {
    this.#held.delete(name);
  }

  failed({ name }: Word, nowMs: number): void {
    this.#change(name, ({ failures }) => {
      const holdMs = Math.min(HOLD_MS_MIN * 2 ** failures, HOLD_MS_MAX);
      return { notBeforeMs: nowMs + holdMs, failures: failures + 1, isOnItsWay: false };
    });
  }

  #change(name: string, change: (held: Held) => Held): void {
    const held = this.#held.get(name);
    if (held !== undefined) this.#held.set(name, change(held));
  }
}

function gather(entries: readonly CommandSignal[]): readonly Word[] {
  const words = new Map<string, Word>();
  for (const { id, key, commandId, document } of entries) {
    const name = `${key} ${commandId}`;
    const ids = words.get(name)?.ids ?? [];
    words.set(name, { name, command: nameOf(key, commandId), ids: [...ids, id], document });
  }
  return [...words.values()];
}

/** The command has ended with it. */
export function isEnd({ document }: Word): boolean {
  return isEnded(JSON.parse(document) as CommandDocument);
}

function nameOf(key: DeviceKey, commandId: string): CommandName {
  return { ...splitDeviceKey(key), commandId };
}

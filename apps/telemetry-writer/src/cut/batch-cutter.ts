import { createHash } from 'node:crypto';

import type { LogId } from '@breakwater/twin';
import type { LogFrame } from '@breakwater/twin-runtime';
import { DAY_MIXED, peekLine, UnknownRecordVersion } from '@breakwater/wire';

import { cutByDay } from './cut-by-day.ts';
import { DayLines } from './day-lines.ts';

/**
 * A batch is a function of the log's records and the limits alone: cutting the ranges of a stored plan again gives the
 * same lines in the same inserts. Lines are not parsed; what is looked at is the fixed beginning of each.
 */
export interface CutLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
  /** Soft: one record that has more days of its own still fits. */
  readonly daysMax: number;
}

export interface CutCounts {
  readonly stored: number;
  readonly nothingToStore: number;
  readonly dead: number;
}

/** What the cut took of one partition. */
export interface CutRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly counts: CutCounts;
  /** The record at `to` has a version that this build does not know: nothing behind it may be taken. */
  readonly unknownRecord: string | null;
}

/** Says whether a dead letter is kept with its bytes; asked once per dead letter, in order. */
export type KeepDeadLetter = (tenant: string, day: number) => boolean;

const NEWLINE = 0x0a;
/** Enough for version, kind, day and tenant, which stand first. */
const HEAD_BYTES = 160;
const TENANT_PATTERN = /"tenant":"([a-z0-9-]+)"/;
const EMPTY_POINTS = Buffer.from('"p":[]}');
const DAY_MS = 86_400_000;
const STORED_KINDS: ReadonlySet<string> = new Set(['telemetry', 'event', 'commandRecorded']);
const NOTHING = Buffer.alloc(0);
const NO_BYTES = { start: 0, end: 0 };

export class BatchCutter {
  readonly #limits: CutLimits;
  readonly #lineStart: string;
  readonly #keepDeadLetter: KeepDeadLetter;
  readonly #days = new Map<number, DayLines>();
  readonly #digest = createHash('sha256');
  #records = 0;
  #bytes = 0;
  #daysFull = false;

  constructor(options: {
    readonly epoch: number;
    readonly logId: LogId;
    readonly limits: CutLimits;
    readonly keepDeadLetter: KeepDeadLetter;
  }) {
    this.#limits = options.limits;
    this.#lineStart = `{"e":${options.epoch},"lid":"${options.logId}","pt":`;
    this.#keepDeadLetter = options.keepDeadLetter;
  }

  get days(): ReadonlyMap<number, DayLines> {
    return this.#days;
  }

  get records(): number {
    return this.#records;
  }

  get full(): boolean {
    return this.#daysFull || this.#records >= this.#limits.recordsMax || this.#bytes >= this.#limits.bytesMax;
  }

  digest(): string {
    return this.#digest.copy().digest('hex');
  }

  /** Takes records from `from` on, at most to `to` and `recordsMax` of them. */
  take(
    partition: number,
    frames: readonly LogFrame[],
    range: { readonly from: number; readonly to: number; readonly recordsMax: number },
  ): CutRange {
    const counts = { stored: 0, nothingToStore: 0, dead: 0 };
    const end = Math.min(range.to, range.from + range.recordsMax);
    let next = range.from;
    let unknownRecord: string | null = null;
    for (const frame of frames) {
      if (frame.lastOffset < next) continue;
      if (next >= end || this.full || unknownRecord !== null) break;
      const lines = lineBounds(frame.body);
      const from = next;
      const first = lines.starts[from - frame.firstOffset] ?? 0;
      let takenTo = first;
      while (next <= frame.lastOffset && next < end && !this.full) {
        const at = next - frame.firstOffset;
        const bounds = { start: lines.starts[at] as number, end: lines.ends[at] as number };
        try {
          const outcome = this.#record(partition, next, frame.body, bounds);
          if (outcome === 'newDayTooMany') {
            this.#daysFull = true;
            break;
          }
          counts[outcome] += 1;
        } catch (error) {
          if (!(error instanceof UnknownRecordVersion)) throw error;
          unknownRecord = error.message;
          break;
        }
        takenTo = bounds.end;
        next += 1;
      }
      // A frame of which nothing was taken is not met when the plan is cut again: it may not leave a trace here.
      if (next > from) this.#digest.update(`${partition}:${next};`).update(frame.body.subarray(first, takenTo));
    }
    this.#records += next - range.from;
    return { partition, from: range.from, to: next, counts, unknownRecord };
  }

  #record(
    partition: number,
    offset: number,
    body: Buffer,
    bounds: { readonly start: number; readonly end: number },
  ): keyof CutCounts | 'newDayTooMany' {
    const head = body.toString('latin1', bounds.start, Math.min(bounds.end, bounds.start + HEAD_BYTES));
    const { kind, day } = peekLine(head);
    if (this.#days.size >= this.#limits.daysMax && !this.#days.has(day)) return 'newDayTooMany';
    const place = `${this.#lineStart}${partition},"o":${offset},`;
    this.#bytes += bounds.end - bounds.start;
    if (kind === 'deadLetter') {
      this.#deadLetter({ head, place, day, body, bounds });
      return 'dead';
    }
    if (!STORED_KINDS.has(kind)) return 'nothingToStore';
    if (kind === 'telemetry' && endsWith(body, bounds.end, EMPTY_POINTS)) return 'nothingToStore';
    if (day !== DAY_MIXED) {
      this.#linesOf(day).add(place, body, { start: bounds.start + 1, end: bounds.end });
      return 'stored';
    }
    for (const [pieceDay, piece] of cutByDay(body.toString('utf8', bounds.start, bounds.end))) {
      this.#linesOf(pieceDay).add(place + piece.slice(1), NOTHING, NO_BYTES);
    }
    return 'stored';
  }

  #deadLetter(letter: {
    readonly head: string;
    readonly place: string;
    readonly day: number;
    readonly body: Buffer;
    readonly bounds: { readonly start: number; readonly end: number };
  }): void {
    const { head, place, day, body, bounds } = letter;
    const tenant = TENANT_PATTERN.exec(head)?.[1] ?? '';
    if (this.#keepDeadLetter(tenant, day)) {
      this.#linesOf(day).add(place, body, { start: bounds.start + 1, end: bounds.end });
      return;
    }
    const counted = `${place}"k":"deadLetterCounted","tenant":"${tenant}","ra":${day * DAY_MS}}`;
    this.#linesOf(day).add(counted, NOTHING, NO_BYTES);
  }

  #linesOf(day: number): DayLines {
    let lines = this.#days.get(day);
    if (lines === undefined) {
      lines = new DayLines();
      this.#days.set(day, lines);
    }
    return lines;
  }
}

function lineBounds(body: Buffer): { readonly starts: readonly number[]; readonly ends: readonly number[] } {
  const starts: number[] = [];
  const ends: number[] = [];
  let start = 0;
  while (start <= body.length) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    starts.push(start);
    ends.push(end);
    start = end + 1;
    if (newline === -1) break;
  }
  return { starts, ends };
}

function endsWith(body: Buffer, end: number, ending: Buffer): boolean {
  return end >= ending.length && body.compare(ending, 0, ending.length, end - ending.length, end) === 0;
}

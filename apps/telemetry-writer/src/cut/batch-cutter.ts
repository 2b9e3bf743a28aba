import { createHash } from 'node:crypto';

import type { LogId } from '@breakwater/twin';
import type { LogFrame } from '@breakwater/twin-runtime';
import { DAY_MIXED, peekLine, RECORD_VERSION, UnknownRecordVersion } from '@breakwater/wire';

import { cutByDay } from './cut-by-day.ts';
import { DayLines, type RecordLine } from './day-lines.ts';
import { lineEnd, lineStart, standsAt } from './line-bounds.ts';
import { type CutCounts, TenantCounter, tenantOf } from './tenant-counter.ts';

/**
 * A batch is a function of the log's records and the limits alone: cutting the ranges of a stored plan again gives the
 * same lines in the same inserts. Lines are not parsed; what is looked at is the fixed beginning of each. In a storm
 * nearly every line begins as the one before, and is then passed on without a string made of it.
 */
export interface CutLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
  /** Soft: one record that has more days of its own still fits. */
  readonly daysMax: number;
}

/** What the cut took of one partition. */
export interface CutRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly counts: CutCounts;
  /** The same by tenant; the empty name is of records that do not say theirs. */
  readonly tenants: ReadonlyMap<string, CutCounts>;
  /** The record at `to` has a version that this build does not know: nothing behind it may be taken. */
  readonly unknownRecord: string | null;
}

/** Says whether a dead letter is kept with its bytes; asked once per dead letter, in order. */
export type KeepDeadLetter = (tenant: string, day: number) => boolean;

/** Enough for version, kind, day and tenant, which stand first. */
const HEAD_BYTES = 160;
const EMPTY_POINTS = Buffer.from('"p":[]}');
const DAY_MS = 86_400_000;
const STORED_KINDS: ReadonlySet<string> = new Set(['telemetry', 'event', 'commandRecorded']);

export class BatchCutter {
  readonly #limits: CutLimits;
  readonly #lineStart: string;
  readonly #keepDeadLetter: KeepDeadLetter;
  readonly #days = new Map<number, DayLines>();
  readonly #digest = createHash('sha256');
  readonly #expectedBytes: number;
  /** How lines of telemetry began so far, and the day that this says; empty until there was one. */
  #telemetryStart = Buffer.alloc(0);
  #telemetryDay = DAY_MIXED;
  #records = 0;
  #bytes = 0;
  #daysFull = false;

  constructor(options: {
    readonly epoch: number;
    readonly logId: LogId;
    readonly limits: CutLimits;
    readonly keepDeadLetter: KeepDeadLetter;
    /** About how large the body of a day becomes; 0 when nothing is known. */
    readonly expectedBytes?: number;
  }) {
    this.#limits = options.limits;
    this.#lineStart = `{"e":${options.epoch},"lid":"${options.logId}","pt":`;
    this.#keepDeadLetter = options.keepDeadLetter;
    this.#expectedBytes = options.expectedBytes ?? 0;
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
    const tenants = new TenantCounter();
    const end = Math.min(range.to, range.from + range.recordsMax);
    const place = Buffer.from(`${this.#lineStart}${partition},"o":`);
    let next = range.from;
    let unknownRecord: string | null = null;
    for (const frame of frames) {
      if (frame.lastOffset < next) continue;
      if (next >= end || this.full || unknownRecord !== null) break;
      const from = next;
      const first = lineStart(frame.body, from - frame.firstOffset);
      let takenTo = first;
      // One object for all lines of the frame: they are many.
      const line = { place, source: frame.body, offset: next, start: first, end: first };
      while (next <= frame.lastOffset && next < end && !this.full) {
        line.end = lineEnd(frame.body, line.start);
        line.offset = next;
        try {
          const outcome = this.#record(line);
          if (outcome === 'newDayTooMany') {
            this.#daysFull = true;
            break;
          }
          counts[outcome] += 1;
          tenants.count(line, outcome);
        } catch (error) {
          if (!(error instanceof UnknownRecordVersion)) throw error;
          unknownRecord = error.message;
          break;
        }
        takenTo = line.end;
        line.start = line.end + 1;
        next += 1;
      }
      // A frame of which nothing was taken is not met when the plan is cut again: it may not leave a trace here.
      if (next > from) this.#digest.update(`${partition}:${next};`).update(frame.body.subarray(first, takenTo));
    }
    this.#records += next - range.from;
    return { partition, from: range.from, to: next, counts, tenants: tenants.counts, unknownRecord };
  }

  #record(line: RecordLine): keyof CutCounts | 'newDayTooMany' {
    const { source, start, end } = line;
    if (this.#telemetryStart.length > 0 && standsAt(source, start, this.#telemetryStart)) {
      return this.#telemetry(line, this.#telemetryDay);
    }
    const head = source.toString('latin1', start, Math.min(end, start + HEAD_BYTES));
    const { kind, day } = peekLine(head);
    if (kind === 'telemetry') {
      this.#telemetryStart = Buffer.from(`{"v":${RECORD_VERSION},"k":"telemetry","day":${day},`);
      this.#telemetryDay = day;
      return this.#telemetry(line, day);
    }
    if (this.#isNewDayTooMany(day)) return 'newDayTooMany';
    this.#bytes += end - start;
    if (kind === 'deadLetter') {
      this.#deadLetter(line, head, day);
      return 'dead';
    }
    if (!STORED_KINDS.has(kind)) return 'nothingToStore';
    this.#linesOf(day).addRecord(line);
    return 'stored';
  }

  #telemetry(line: RecordLine, day: number): keyof CutCounts | 'newDayTooMany' {
    const { source, start, end } = line;
    if (this.#isNewDayTooMany(day)) return 'newDayTooMany';
    this.#bytes += end - start;
    if (end - EMPTY_POINTS.length >= start && standsAt(source, end - EMPTY_POINTS.length, EMPTY_POINTS)) {
      return 'nothingToStore';
    }
    if (day !== DAY_MIXED) {
      this.#linesOf(day).addRecord(line);
      return 'stored';
    }
    for (const [pieceDay, piece] of cutByDay(source.toString('utf8', start, end))) {
      this.#linesOf(pieceDay).add(line, piece.slice(1));
    }
    return 'stored';
  }

  #deadLetter(line: RecordLine, head: string, day: number): void {
    const tenant = tenantOf(head);
    if (this.#keepDeadLetter(tenant, day)) {
      this.#linesOf(day).addRecord(line);
      return;
    }
    const counted = `"k":"deadLetterCounted","tenant":"${tenant}","ra":${day * DAY_MS}}`;
    this.#linesOf(day).add(line, counted);
  }

  #isNewDayTooMany(day: number): boolean {
    return this.#days.size >= this.#limits.daysMax && !this.#days.has(day);
  }

  #linesOf(day: number): DayLines {
    let lines = this.#days.get(day);
    if (lines === undefined) {
      // Nearly everything is of one day; what else comes grows as it must.
      lines = new DayLines(this.#days.size === 0 ? this.#expectedBytes : 0);
      this.#days.set(day, lines);
    }
    return lines;
  }
}

import {
  deviceKey,
  NamedValues,
  type DeviceId,
  type DeviceKey,
  type Incarnation,
  type JsonValue,
  type SessionEpoch,
  type TelemetryPoint,
  type TenantId,
} from '@breakwater/twin';

/** What a twin needs of a telemetry record. */
export interface TelemetryLine {
  readonly key: DeviceKey;
  readonly incarnation: Incarnation;
  readonly sessionEpoch: SessionEpoch;
  /** At least one. */
  readonly points: readonly TelemetryPoint[];
}

type Group = 'n' | 's' | 'b';

/** One value of a point: what stands before it, since the value before it or since the time of the point. */
interface Step {
  readonly text: string;
  readonly group: Group;
  readonly name: string;
  readonly before: Step | null;
  readonly next: Step[];
  /** Of a point that ends here. */
  shape: Shape | null;
}

/** The names of a point, sorted, and the place among them of each value in the order of the line. */
interface Shape {
  readonly names: readonly string[];
  readonly places: readonly number[];
}

/** Steps that are remembered; over it all are forgotten, and those that still come are learned again. */
const STEPS_MAX = 10_000;
/** Ways in which points go on after the same beginning; the oldest is forgotten. */
const NEXT_MAX = 8;
/** Up to here a number is a quotient of two that a double holds exactly, so that it is rounded once. */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => 10 ** power);

const QUOTE = 0x22;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_E = 0x45;
const BACKSLASH = 0x5c;
const LOWER_E = 0x65;
const FIRST_PRINTABLE = 0x20;

/**
 * Reads telemetry lines, at a fraction of the price of `decodeRecord`: it keeps to the one form in which `encodeRecord`
 * writes them, skips what a twin has no use for, and remembers which names follow each other, because a fleet says the
 * same few names again and again. Of whatever else it finds it makes nothing, and answers null: then `decodeRecord` has
 * the say. What it answers is what `decodeRecord` would.
 */
export class TelemetryLineReader {
  readonly #first: Step[] = [];
  readonly #found: JsonValue[] = [];
  #steps = 0;
  #line = '';
  #at = 0;

  read(line: string): TelemetryLine | null {
    this.#line = line;
    this.#at = 0;
    const result = this.#record();
    // Else the last line of a burst would stay in memory.
    this.#line = '';
    return result;
  }

  #record(): TelemetryLine | null {
    if (!this.#skip('{"v":1,"k":"telemetry","day":') || Number.isNaN(this.#number())) return null;
    const tenant = this.#skip(',"tenant":"') ? this.#text() : null;
    const device = this.#skip(',"device":"') ? this.#text() : null;
    if (tenant === null || device === null) return null;
    const incarnation = this.#numberAfter(',"inc":');
    const sessionEpoch = this.#numberAfter(',"se":');
    const skipped = this.#numberAfter(',"pid":') + this.#numberAfter(',"dg":');
    if (Number.isNaN(incarnation + sessionEpoch + skipped)) return null;
    if (!this.#skip(',"id":"') || !this.#skipText() || Number.isNaN(this.#numberAfter(',"ra":'))) return null;
    if (!this.#skip(',"tp":"') || !this.#skipText() || !this.#skip(',"p":[')) return null;
    const points: TelemetryPoint[] = [];
    do {
      const point = this.#point();
      if (point === null) return null;
      points.push(point);
    } while (this.#skip(','));
    if (!this.#skip(']}') || this.#at !== this.#line.length) return null;
    return {
      key: deviceKey(tenant as TenantId, device as DeviceId),
      incarnation: incarnation as Incarnation,
      sessionEpoch: sessionEpoch as SessionEpoch,
      points,
    };
  }

  #point(): TelemetryPoint | null {
    const tsMs = this.#numberAfter('{"ts":');
    if (Number.isNaN(tsMs)) return null;
    const marked = this.#skip(',"m":1');
    const found = this.#found;
    let count = 0;
    let last: Step | null = null;
    for (;;) {
      const step: Step | null = this.#known(last === null ? this.#first : last.next);
      if (step === null) {
        if (last !== null && this.#skip('}}')) break;
        if (!this.#learn(last)) return null;
        continue;
      }
      const value = this.#value(step.group);
      if (value === undefined) return null;
      found[count++] = value;
      last = step;
    }
    const { names, places } = (last.shape ??= shapeOf(last));
    const list = new Array<JsonValue>(count);
    for (let index = 0; index < count; index++) list[places[index] as number] = found[index] as JsonValue;
    const values = new NamedValues(names, list);
    return marked ? { tsMs, values, marked: true } : { tsMs, values };
  }

  #known(steps: readonly Step[]): Step | null {
    for (const step of steps) if (this.#skip(step.text)) return step;
    return null;
  }

  #value(group: Group): JsonValue | undefined {
    if (group === 'n') {
      const number = this.#number();
      return Number.isNaN(number) ? undefined : number;
    }
    if (group === 's') return this.#skip('"') ? (this.#text() ?? undefined) : undefined;
    if (this.#skip('true')) return true;
    return this.#skip('false') ? false : undefined;
  }

  /** Remembers the step that stands here; false where there is none that this reader understands. */
  #learn(before: Step | null): boolean {
    const startAt = this.#at;
    const group = this.#groupAt(before);
    const name = group !== null && this.#skip('"') ? this.#text() : null;
    const isStep = name !== null && this.#skip(':') && !isRepeated(name, before);
    const text = this.#line.slice(startAt, this.#at);
    this.#at = startAt;
    if (!isStep || group === null) return false;
    if (this.#steps === STEPS_MAX) {
      this.#steps = 0;
      this.#first.length = 0;
    }
    const steps = before === null ? this.#first : before.next;
    if (steps.length === NEXT_MAX) steps.pop();
    // A slice would keep its whole line in memory.
    steps.unshift({ text: copied(text), group, name: copied(name), before, next: [], shape: null });
    this.#steps++;
    return true;
  }

  /** Numbers, texts and booleans, in this order; each group once. */
  #groupAt(before: Step | null): Group | null {
    if (before !== null && this.#line.startsWith(',"', this.#at)) {
      this.#at += 1;
      return before.group;
    }
    const opening = before === null ? ',"' : '},"';
    if (!this.#skip(opening)) return null;
    const group = this.#line[this.#at];
    this.#at += 1;
    if (!this.#skip('":{')) return null;
    if (group === 'n') return before === null ? 'n' : null;
    if (group === 's') return before === null || before.group === 'n' ? 's' : null;
    return group === 'b' && before?.group !== 'b' ? 'b' : null;
  }

  #skip(text: string): boolean {
    if (!this.#line.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** The rest of a text without escapes, whose opening quote was read; null for one with any. */
  #text(): string | null {
    const startAt = this.#at;
    return this.#skipText() ? this.#line.slice(startAt, this.#at - 1) : null;
  }

  #skipText(): boolean {
    const line = this.#line;
    for (let at = this.#at; at < line.length; at++) {
      const unit = line.charCodeAt(at);
      if (unit === QUOTE) {
        this.#at = at + 1;
        return true;
      }
      if (unit === BACKSLASH || unit < FIRST_PRINTABLE) return false;
    }
    return false;
  }

  #numberAfter(text: string): number {
    return this.#skip(text) ? this.#number() : Number.NaN;
  }

  /** NaN where there is none. */
  #number(): number {
    const line = this.#line;
    const startAt = this.#at;
    let at = startAt;
    const isNegative = line.charCodeAt(at) === MINUS;
    if (isNegative) at++;
    const digitsAt = at;
    let digits = 0;
    let unit = line.charCodeAt(at);
    for (; unit >= ZERO && unit <= NINE; unit = line.charCodeAt(++at)) digits = digits * 10 + (unit - ZERO);
    const wholeDigits = at - digitsAt;
    if (wholeDigits === 0 || (wholeDigits > 1 && line.charCodeAt(digitsAt) === ZERO)) return Number.NaN;
    let fractionDigits = 0;
    if (unit === POINT) {
      unit = line.charCodeAt(++at);
      const fractionAt = at;
      for (; unit >= ZERO && unit <= NINE; unit = line.charCodeAt(++at)) digits = digits * 10 + (unit - ZERO);
      fractionDigits = at - fractionAt;
      if (fractionDigits === 0) return Number.NaN;
    }
    // Rare: a number that ends in an exponent is left to `decodeRecord`.
    if (unit === LOWER_E || unit === UPPER_E) return Number.NaN;
    this.#at = at;
    if (wholeDigits + fractionDigits > EXACT_DIGITS) return Number(line.slice(startAt, at));
    const number = fractionDigits === 0 ? digits : digits / (POWERS_OF_TEN[fractionDigits] as number);
    return isNegative ? -number : number;
  }
}

function isRepeated(name: string, before: Step | null): boolean {
  for (let step = before; step !== null; step = step.before) if (step.name === name) return true;
  return false;
}

function shapeOf(last: Step): Shape {
  const inLine: string[] = [];
  for (let step: Step | null = last; step !== null; step = step.before) inLine.unshift(step.name);
  const names = inLine.toSorted((left, right) => (left < right ? -1 : 1));
  return { names, places: inLine.map((name) => names.indexOf(name)) };
}

function copied(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}

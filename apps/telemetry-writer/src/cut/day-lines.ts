const START_BYTES = 16 * 1024;
const NEWLINE = 0x0a;
const COMMA = 0x2c;
const DIGIT_ZERO = 0x30;
/** Of the largest safe integer, and a comma. */
const OFFSET_BYTES_MAX = 17;

/** A record's line within its frame, and what goes in front of it. */
export interface RecordLine {
  /** Everything up to the offset, with the brace that opens the object. */
  readonly place: Buffer;
  readonly offset: number;
  readonly source: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The lines of one day, as the body of one insert. Grows by doubling, so that a line is copied once or twice. */
export class DayLines {
  #bytes: Buffer;
  #length = 0;
  #lines = 0;

  /** @param expectedBytes about how much will come; more may. */
  constructor(expectedBytes = START_BYTES) {
    this.#bytes = Buffer.allocUnsafe(Math.max(START_BYTES, expectedBytes));
  }

  get lines(): number {
    return this.#lines;
  }

  /** Adds the record's place and then `text`, which stands for the line without its first brace. */
  add({ place, offset }: RecordLine, text: string): void {
    this.#reserve(place.length + OFFSET_BYTES_MAX + text.length * 3 + 1);
    this.#place(place, offset);
    this.#length += this.#bytes.write(text, this.#length, 'utf8');
    this.#endLine();
  }

  /** Adds the record's place and then its line as it is. Runs once per record: it makes no object and no string. */
  addRecord({ place, offset, source, start, end }: RecordLine): void {
    this.#reserve(place.length + OFFSET_BYTES_MAX + (end - start) + 1);
    this.#place(place, offset);
    this.#length += source.copy(this.#bytes, this.#length, start + 1, end);
    this.#endLine();
  }

  body(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #place(place: Buffer, offset: number): void {
    this.#bytes.set(place, this.#length);
    this.#length += place.length;
    this.#decimal(offset);
    this.#bytes[this.#length] = COMMA;
    this.#length += 1;
  }

  #decimal(value: number): void {
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits += 1;
    let left = value;
    for (let at = this.#length + digits - 1; at >= this.#length; at -= 1) {
      const tens = Math.floor(left / 10);
      this.#bytes[at] = DIGIT_ZERO + left - tens * 10;
      left = tens;
    }
    this.#length += digits;
  }

  #endLine(): void {
    this.#bytes[this.#length] = NEWLINE;
    this.#length += 1;
    this.#lines += 1;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    let size = this.#bytes.length * 2;
    while (size < this.#length + bytes) size *= 2;
    const grown = Buffer.allocUnsafe(size);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

const START_BYTES = 16 * 1024;
const NEWLINE = 0x0a;

/** The lines of one day, as the body of one insert. Grows by doubling, so that a line is copied once or twice. */
export class DayLines {
  #bytes = Buffer.allocUnsafe(START_BYTES);
  #length = 0;
  #lines = 0;

  get lines(): number {
    return this.#lines;
  }

  /** Adds `head` and then `source` from `start` to `end`, and ends the line. */
  add(head: string, source: Buffer, range: { readonly start: number; readonly end: number }): void {
    this.#reserve(head.length * 3 + (range.end - range.start) + 1);
    this.#length += this.#bytes.write(head, this.#length, 'utf8');
    this.#length += source.copy(this.#bytes, this.#length, range.start, range.end);
    this.#bytes[this.#length] = NEWLINE;
    this.#length += 1;
    this.#lines += 1;
  }

  body(): Buffer {
    return this.#bytes.subarray(0, this.#length);
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

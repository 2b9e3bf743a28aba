const MORE = 0x80;
const SEVEN_BITS = 0x7f;
const SEVEN = 128;

/** Bytes of one kept session, in the order in which `ByteReader` takes them back. */
export class ByteWriter {
  readonly #parts: Buffer[] = [];

  byte(value: number): void {
    this.#parts.push(Buffer.of(value));
  }

  /** A whole number from 0 to 2^53 - 1, in as few bytes as it takes. */
  count(value: number): void {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= SEVEN) {
      bytes.push((rest % SEVEN) | MORE);
      rest = Math.floor(rest / SEVEN);
    }
    bytes.push(rest & SEVEN_BITS);
    this.#parts.push(Buffer.from(bytes));
  }

  bytes(value: Uint8Array): void {
    this.count(value.byteLength);
    this.#parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  }

  text(value: string): void {
    this.bytes(Buffer.from(value));
  }

  list<Item>(items: readonly Item[], write: (item: Item) => void): void {
    this.count(items.length);
    for (const item of items) write(item);
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

const MORE = 0x80;
const SEVEN_BITS = 0x7f;
const SEVEN = 128;
const BYTES_MIN = 256;
const NUMBER_BYTES_MAX = 8;

/** Bytes of what is kept for later, in the order in which `ByteReader` takes them back. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  #length = 0;

  byte(value: number): void {
    this.#makeRoom(1);
    this.#bytes[this.#length++] = value;
  }

  /** A whole number from 0 to 2^53 - 1, in as few bytes as it takes. */
  count(value: number): void {
    this.#makeRoom(NUMBER_BYTES_MAX);
    let rest = value;
    while (rest >= SEVEN) {
      this.#bytes[this.#length++] = (rest % SEVEN) | MORE;
      rest = Math.floor(rest / SEVEN);
    }
    this.#bytes[this.#length++] = rest & SEVEN_BITS;
  }

  /** A whole number from -2^52 to 2^52 - 1. */
  signed(value: number): void {
    this.count(value < 0 ? -2 * value - 1 : 2 * value);
  }

  bytes(value: Uint8Array): void {
    this.count(value.byteLength);
    this.raw(value);
  }

  /** Without how many there are: the reader is to know. */
  raw(value: Uint8Array): void {
    this.#makeRoom(value.byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += value.byteLength;
  }

  text(value: string): void {
    this.bytes(Buffer.from(value));
  }

  list<Item>(items: readonly Item[], write: (item: Item) => void): void {
    this.count(items.length);
    for (const item of items) write(item);
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

import { ownBytes } from '@breakwater/wire';

const MORE = 0x80;
const SEVEN_BITS = 0x7f;
const SEVEN = 128;
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes are not what a `ByteWriter` wrote. */
export class BytesDamaged extends Error {
  override readonly name = 'BytesDamaged';
}

/** Takes apart what `ByteWriter` put together; throws `BytesDamaged` rather than read past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new BytesDamaged('they end too early');
    this.#at += 1;
    return value;
  }

  count(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & SEVEN_BITS) * scale;
      if (!Number.isSafeInteger(value)) throw new BytesDamaged('a number is too large');
      if ((byte & MORE) === 0) return value;
      scale *= SEVEN;
    }
  }

  signed(): number {
    const value = this.count();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(): Buffer {
    // A copy, or the few bytes of a message would hold on to all that came with them.
    return ownBytes(this.raw(this.count()));
  }

  /** A view of so many bytes. */
  raw(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new BytesDamaged('they end too early');
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  text(): string {
    try {
      return UTF_8.decode(this.bytes());
    } catch (cause) {
      throw new BytesDamaged('a text is not UTF-8', { cause });
    }
  }

  list<Item>(read: () => Item): Item[] {
    const length = this.count();
    // Each item takes a byte at least, so that a damaged length asks for no memory.
    if (length > this.#bytes.length - this.#at) throw new BytesDamaged('a list is longer than the bytes');
    return Array.from({ length }, read);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new BytesDamaged('bytes are left over');
  }
}

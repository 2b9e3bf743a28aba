const MORE = 0x80;
const SEVEN_BITS = 0x7f;
const SEVEN = 128;

/** The bytes are not what a `ByteWriter` wrote. */
export class BytesDamaged extends Error {
  override readonly name = 'BytesDamaged';
}

/** Takes apart what `ByteWriter` put together; throws `BytesDamaged` rather than read past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
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

  bytes(): Buffer {
    const length = this.count();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new BytesDamaged('they end too early');
    // A copy, or the few bytes of a message would hold on to all that came with them.
    const value = Buffer.from(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    return value;
  }

  text(): string {
    try {
      return this.#decoder.decode(this.bytes());
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

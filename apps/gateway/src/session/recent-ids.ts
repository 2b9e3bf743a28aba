import type { ByteReader } from './stored/byte-reader.ts';
import type { ByteWriter } from './stored/byte-writer.ts';

/** Before the units of an id stands how many there are, and in the lowest bit whether they have two bytes each. */
const HEADER_BYTES = 2;
const UNITS_MAX = 2 ** 15 - 1;
/** Up to here V8 keeps the bytes of an array beside it, without an allocation of their own. */
const CAPACITY_MIN = 64;
const NOTHING = new Uint8Array(0);
const NO_ENTRY: Buffer = Buffer.alloc(0);

/**
 * The last ids that a device gave to its messages, the oldest forgotten first, as bytes in a ring: as texts in a set
 * they were most of what the gateway keeps of a device, and each one grew old in the heap before it became garbage. To
 * look for one is a walk over all of them, which is a few hundred bytes in a row.
 *
 * Ids are told apart as exactly as texts are, by their UTF-16 units: in UTF-8 two broken ones could look the same, and
 * the second message would be taken for the first.
 */
export class RecentIds {
  readonly #entriesMax: number;
  /** Its length is a power of two, or nothing. */
  #ring = NOTHING;
  /** Where the oldest begins. */
  #first = 0;
  #bytes = 0;
  #count = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  has(id: string): boolean {
    const header = headerOf(id);
    let at = this.#first;
    for (let left = this.#count; left > 0; left--) {
      const found = this.#headerAt(at);
      if (found === header && this.#isAt(at + HEADER_BYTES, id, header)) return true;
      at += entryBytes(found);
    }
    return false;
  }

  /** One that is known already is not to be added again: it would be forgotten twice. */
  add(id: string): void {
    const header = headerOf(id);
    let at = this.#begin(header);
    const ring = this.#ring;
    const mask = ring.length - 1;
    for (let unit = 0; unit < id.length; unit++) {
      const code = id.charCodeAt(unit);
      ring[at++ & mask] = code & 0xff;
      if (isWide(header)) ring[at++ & mask] = code >> 8;
    }
  }

  /** Oldest first. */
  all(): readonly string[] {
    const ids: string[] = [];
    let at = this.#first;
    for (let left = this.#count; left > 0; left--) {
      const header = this.#headerAt(at);
      const units = Array.from({ length: header >> 1 }, (_, unit) => this.#unitAt(at + HEADER_BYTES, unit, header));
      ids.push(String.fromCharCode(...units));
      at += entryBytes(header);
    }
    return ids;
  }

  /** Each as far as it differs from the one before: of a counter that is a digit or two. */
  writeTo(writer: ByteWriter): void {
    writer.count(this.#count);
    let at = this.#first;
    let before = at;
    for (let left = this.#count; left > 0; left--) {
      const header = this.#headerAt(at);
      const shared = this.#sharedBytes(before, at);
      const end = at + entryBytes(header);
      writer.count(header);
      writer.count(shared);
      for (let byte = at + HEADER_BYTES + shared; byte < end; byte++) writer.byte(this.#byteAt(byte));
      before = at;
      at = end;
    }
  }

  /** Takes what `writeTo` wrote into one that is empty. */
  readFrom(reader: ByteReader): void {
    let before: Buffer = NO_ENTRY;
    for (let left = reader.count(); left > 0; left--) {
      const header = reader.count();
      const shared = reader.count();
      const rest = reader.raw(entryBytes(header) - HEADER_BYTES - shared);
      const bytes = Buffer.concat([before.subarray(0, shared), rest]);
      const at = this.#begin(header);
      for (const [index, byte] of bytes.entries()) this.#ring[(at + index) & (this.#ring.length - 1)] = byte;
      before = bytes;
    }
  }

  clear(): void {
    this.#first = 0;
    this.#bytes = 0;
    this.#count = 0;
  }

  /** Makes room for one more and writes its header; answers where its units go. */
  #begin(header: number): number {
    if (this.#count === this.#entriesMax) this.#forgetOldest();
    const bytes = entryBytes(header);
    if (this.#bytes + bytes > this.#ring.length) this.#grow(this.#bytes + bytes);
    const ring = this.#ring;
    const mask = ring.length - 1;
    const at = this.#first + this.#bytes;
    ring[at & mask] = header & 0xff;
    ring[(at + 1) & mask] = header >> 8;
    this.#bytes += bytes;
    this.#count += 1;
    return at + HEADER_BYTES;
  }

  /** How many of its bytes an entry has from the one before it. */
  #sharedBytes(before: number, at: number): number {
    if (before === at) return 0;
    const most = Math.min(entryBytes(this.#headerAt(before)), entryBytes(this.#headerAt(at))) - HEADER_BYTES;
    let shared = 0;
    while (shared < most && this.#byteAt(before + HEADER_BYTES + shared) === this.#byteAt(at + HEADER_BYTES + shared)) {
      shared += 1;
    }
    return shared;
  }

  #byteAt(at: number): number {
    return this.#ring[at & (this.#ring.length - 1)] as number;
  }

  #forgetOldest(): void {
    const bytes = entryBytes(this.#headerAt(this.#first));
    this.#first = (this.#first + bytes) & (this.#ring.length - 1);
    this.#bytes -= bytes;
    this.#count -= 1;
  }

  #headerAt(at: number): number {
    const mask = this.#ring.length - 1;
    return (this.#ring[at & mask] as number) | ((this.#ring[(at + 1) & mask] as number) << 8);
  }

  #unitAt(start: number, unit: number, header: number): number {
    const mask = this.#ring.length - 1;
    if (!isWide(header)) return this.#ring[(start + unit) & mask] as number;
    const at = start + 2 * unit;
    return (this.#ring[at & mask] as number) | ((this.#ring[(at + 1) & mask] as number) << 8);
  }

  /** From its end: ids of one device mostly begin alike. */
  #isAt(start: number, id: string, header: number): boolean {
    for (let unit = id.length - 1; unit >= 0; unit--) {
      if (this.#unitAt(start, unit, header) !== id.charCodeAt(unit)) return false;
    }
    return true;
  }

  #grow(bytes: number): void {
    let capacity = Math.max(CAPACITY_MIN, this.#ring.length);
    while (capacity < bytes) capacity *= 2;
    const grown = new Uint8Array(capacity);
    const wrapped = Math.max(0, this.#first + this.#bytes - this.#ring.length);
    const straight = this.#ring.subarray(this.#first, this.#first + this.#bytes - wrapped);
    grown.set(straight);
    grown.set(this.#ring.subarray(0, wrapped), straight.length);
    this.#ring = grown;
    this.#first = 0;
  }
}

function headerOf(id: string): number {
  if (id.length > UNITS_MAX) throw new RangeError('no id is as long as that');
  for (let unit = 0; unit < id.length; unit++) if (id.charCodeAt(unit) > 0xff) return (id.length << 1) | 1;
  return id.length << 1;
}

function isWide(header: number): boolean {
  return (header & 1) !== 0;
}

function entryBytes(header: number): number {
  return HEADER_BYTES + (header >> 1) * (isWide(header) ? 2 : 1);
}

import { ProtocolFault } from './protocol-fault.ts';
import { ReasonCode } from './reason-codes.ts';

const EMPTY: Buffer = Buffer.alloc(0);
const LENGTH_BYTES_MAX = 4;
/** A rest this many times smaller than the chunk it lies in is copied, so that ten bytes never pin 64 kB. */
const COPY_WHEN_SMALLER_BY = 4;

/**
 * Cuts a byte stream into whole packets. The announced length is checked before anything is buffered for it, and no
 * more memory is taken than bytes have arrived: a client that announces 128 kB and sends one byte costs one byte.
 *
 * Frames are views of the bytes received; bytes once handed out are never written again.
 */
export class PacketFramer {
  readonly #packetBytesMax: number;
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  #owned = false;
  /** Where the variable header of the frame last returned begins. */
  bodyOffset = 0;

  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  get unreadBytes(): number {
    return this.#end - this.#start;
  }

  /** The first byte of the packet that is not complete yet. */
  get firstByte(): number | null {
    return this.#start === this.#end ? null : (this.#buffer[this.#start] as number);
  }

  push(bytes: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#start = 0;
      this.#end = bytes.byteLength;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.#end + bytes.byteLength > this.#buffer.length) this.#grow(bytes.byteLength);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.byteLength;
  }

  /** The next whole packet, null when more bytes are needed, or what is wrong with the stream. */
  next(): Buffer | ProtocolFault | null {
    const available = this.#end - this.#start;
    if (available < 2) return null;
    let length = 0;
    let scale = 1;
    let lengthBytes = 0;
    for (;;) {
      if (lengthBytes === LENGTH_BYTES_MAX) {
        return new ProtocolFault(ReasonCode.malformedPacket, 'remaining length of more than four bytes');
      }
      if (1 + lengthBytes >= available) return null;
      const byte = this.#buffer[this.#start + 1 + lengthBytes] as number;
      lengthBytes += 1;
      length += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) break;
    }
    const total = 1 + lengthBytes + length;
    if (total > this.#packetBytesMax) {
      return new ProtocolFault(ReasonCode.packetTooLarge, `a packet may have ${this.#packetBytesMax} bytes`);
    }
    if (available < total) return null;
    const frame = this.#buffer.subarray(this.#start, this.#start + total);
    this.#start += total;
    this.bodyOffset = 1 + lengthBytes;
    // A connection that is not read for a while would keep what it has used up: with ten thousand of them, all of it.
    if (this.#start === this.#end) this.clear();
    return frame;
  }

  /** Called when nothing more can be read from what has arrived: lets go of chunks that are mostly used up. */
  settle(): void {
    const unread = this.#end - this.#start;
    if (unread === 0) {
      this.clear();
    } else if (!this.#owned && unread * COPY_WHEN_SMALLER_BY < this.#buffer.buffer.byteLength) {
      this.#grow(0);
    }
  }

  clear(): void {
    this.#buffer = EMPTY;
    this.#start = 0;
    this.#end = 0;
    this.#owned = false;
  }

  #grow(more: number): void {
    const unread = this.#end - this.#start;
    // Doubling keeps many small chunks of one large packet linear in its size.
    const grown = Buffer.allocUnsafeSlow(more === 0 ? unread : Math.max(unread + more, 2 * unread));
    this.#buffer.copy(grown, 0, this.#start, this.#end);
    this.#buffer = grown;
    this.#start = 0;
    this.#end = unread;
    this.#owned = true;
  }
}

import type { Transport } from '@breakwater/mqtt-endpoint';

import { splitPackets } from './recordings.ts';

/** What a server may send: CONNACK, PUBLISH and its acknowledgements, SUBACK, UNSUBACK, PINGRESP, DISCONNECT. */
const SERVER_TYPES: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 9, 11, 13, 14]);
/** From here on a peer that does not read makes `write` answer false. */
const SOCKET_BUFFER_BYTES = 16_384;

/** One end of a connection whose peer reads, or does not; it notes what an endpoint must never do. */
export class FuzzTransport implements Transport {
  readonly remoteAddress = '127.0.0.1';
  isEnded = false;
  bytesWritten = 0;
  /** First rule that was broken, null while none is. */
  complaint: string | null = null;
  #queued = 0;
  #tail = Buffer.alloc(0);
  readonly #reads: boolean;
  readonly #heard: Buffer[] | null;

  constructor(options: { readonly reads: boolean; readonly heard: Buffer[] | null }) {
    this.#reads = options.reads;
    this.#heard = options.heard;
  }

  write(bytes: Uint8Array): boolean {
    if (this.isEnded) this.complaint ??= 'bytes were written behind the end';
    this.bytesWritten += bytes.length;
    this.#check(bytes);
    if (!this.#reads) this.#queued += bytes.length;
    return this.#queued < SOCKET_BUFFER_BYTES;
  }

  bytesQueued(): number {
    return this.#queued;
  }

  pause(): void {
    // The bytes of an attack come anyway: what a socket has read before it was paused is handed over, too.
  }

  resume(): void {
    // See `pause`.
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.isEnded = true;
  }

  /** The peer has read everything. */
  drained(): void {
    this.#queued = 0;
  }

  /** Whole packets, of types that a server may send; what is still incomplete waits for the next write. */
  #check(bytes: Uint8Array): void {
    this.#tail = this.#tail.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#tail, bytes]);
    const packets = splitPackets(this.#tail);
    let length = 0;
    for (const packet of packets) {
      length += packet.length;
      this.#heard?.push(packet);
      if (!SERVER_TYPES.has((packet[0] as number) >> 4)) {
        this.complaint ??= `a packet that begins with ${String(packet[0])} was written`;
      }
    }
    this.#tail = this.#tail.subarray(length);
  }
}

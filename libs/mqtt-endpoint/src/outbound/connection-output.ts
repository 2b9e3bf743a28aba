import type { Transport } from '../endpoint-host.ts';
import { OUTPUT_HIGH_WATER_BYTES } from '../engine-limits.ts';
import type { FlushQueue } from './flush-queue.ts';
import type { AckType } from '../wire/packet-encoder.ts';

const SHORT_ACK_BYTES = 4;

/**
 * What leaves on one connection. Everything written in one tick leaves with one `transport.write`, in order. Short
 * acknowledgements are kept as one number (type and packet id) until then, so that a batch of them allocates once.
 */
export class ConnectionOutput {
  readonly #transport: Transport;
  readonly #flushQueue: FlushQueue;
  readonly #onFlushed: () => void;
  #pending: (Uint8Array | number)[] = [];
  #pendingBytes = 0;
  #queued = false;
  #blocked = false;
  #closed = false;

  constructor(options: { transport: Transport; flushQueue: FlushQueue; onFlushed: () => void }) {
    this.#transport = options.transport;
    this.#flushQueue = options.flushQueue;
    this.#onFlushed = options.onFlushed;
  }

  /** The peer has not taken what was written; true until the transport says `drained`. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** What waits for the peer stays below the high water, but for a single packet that is larger than that. */
  hasRoomFor(bytes: number): boolean {
    if (this.#blocked) return false;
    const waiting = this.#pendingBytes + this.#transport.bytesQueued();
    return waiting === 0 || waiting + bytes < OUTPUT_HIGH_WATER_BYTES;
  }

  /** So much is written in this tick that nothing more should be asked for. */
  get isOverfull(): boolean {
    return this.#pendingBytes >= OUTPUT_HIGH_WATER_BYTES;
  }

  ack(type: AckType, packetId: number): void {
    this.#push((type << 16) | packetId, SHORT_ACK_BYTES);
  }

  packet(bytes: Uint8Array): void {
    this.#push(bytes, bytes.length);
  }

  drained(): void {
    this.#blocked = false;
  }

  flush(): void {
    this.#queued = false;
    if (this.#closed || this.#pendingBytes === 0) return;
    const bytes = this.#take();
    this.#blocked = !this.#transport.write(bytes);
    this.#onFlushed();
  }

  /** Sends what is pending and closes; nothing is written afterwards. */
  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#pendingBytes > 0) this.#transport.write(this.#take());
    this.#transport.end();
  }

  destroy(): void {
    if (this.#closed) return;
    this.abandon();
    this.#transport.destroy();
  }

  /** The transport is gone already. */
  abandon(): void {
    this.#closed = true;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #push(item: Uint8Array | number, bytes: number): void {
    if (this.#closed) return;
    this.#pending.push(item);
    this.#pendingBytes += bytes;
    if (this.#queued) return;
    this.#queued = true;
    this.#flushQueue.add(this);
  }

  #take(): Uint8Array {
    const pending = this.#pending;
    const total = this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    const first = pending[0];
    if (pending.length === 1 && typeof first === 'object') return first;
    const bytes = Buffer.allocUnsafe(total);
    let position = 0;
    for (const item of pending) {
      if (typeof item === 'number') {
        bytes[position] = item >> 16;
        bytes[position + 1] = 2;
        bytes[position + 2] = (item >> 8) & 0xff;
        bytes[position + 3] = item & 0xff;
        position += SHORT_ACK_BYTES;
      } else {
        bytes.set(item, position);
        position += item.length;
      }
    }
    return bytes;
  }
}

import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** As much as Node reads at once by itself. */
const READ_BYTES = 64 * 1024;
/** One for all sockets: what a read brought is copied before the next one begins. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

interface SocketHandle {
  readonly fd?: number;
  reading?: boolean;
  useUserBuffer?(buffer: Uint8Array): void;
  readStart?(): number;
  readStop?(): number;
}

/**
 * The handle of a plain socket, used past Node's stream where the stream costs more than the system call that it makes.
 * The stream stays the owner: it closes the socket, and it sends what the system does not take at once.
 *
 * - What the socket brings is read into one buffer that all sockets share, and each piece handed on as a copy of its
 *   own length. By itself Node allocates 64 KiB for each reading, shrinks them to what came, and leaves a buffer
 *   outside of the heap to the garbage collector, which is much for a device that sends one message now and then.
 * - A pause holds at once. Without the shared buffer a socket is read on until 64 KiB wait in its stream.
 * - What is written goes to the system at once, and past the queue of the stream while that is empty.
 *
 * Node has the first of these as the option `onread`, for sockets that connect and not for those that a server accepts;
 * for these it is set here in the same way. Encrypted streams, and a Node that does not have all of this so, keep to
 * the stream.
 */
export class DirectSocket {
  readonly #socket: Socket;
  /** Kept to notice that the stream has let go of it: from then on its number may be that of another file. */
  readonly #handle: SocketHandle;
  readonly #fd: number;

  private constructor(socket: Socket, handle: SocketHandle, fd: number) {
    this.#socket = socket;
    this.#handle = handle;
    this.#fd = fd;
  }

  /** Null, and nothing is changed, where this Node does not have it so: the stream's own ways then bring the same. */
  static of(socket: Socket, receive: (bytes: Buffer) => void): DirectSocket | null {
    if (socket instanceof TLSSocket) return null;
    const fields = socket as unknown as Record<symbol, unknown>;
    const handle = handleOf(socket);
    const symbols = Object.getOwnPropertySymbols(socket);
    const buffer = symbols.find(({ description }) => description === 'kBuffer');
    const callback = symbols.find(({ description }) => description === 'kBufferCb');
    if (typeof handle?.useUserBuffer !== 'function' || buffer === undefined || callback === undefined) return null;
    if (typeof handle.readStart !== 'function' || typeof handle.readStop !== 'function') return null;
    // Windows has no number for it.
    if (typeof handle.fd !== 'number' || handle.fd < 0) return null;
    fields[buffer] = READ_BUFFER;
    fields[callback] = (count: number): boolean => {
      const bytes = Buffer.allocUnsafe(count);
      READ_BUFFER.copy(bytes, 0, 0, count);
      receive(bytes);
      return true;
    };
    handle.useUserBuffer(READ_BUFFER);
    return new DirectSocket(socket, handle, handle.fd);
  }

  pause(): void {
    const handle = this.#handle;
    if (!this.#isOpen() || handle.reading !== true) return;
    handle.reading = false;
    handle.readStop!();
  }

  resume(): void {
    const handle = this.#handle;
    if (!this.#isOpen() || handle.reading === true) return;
    handle.reading = true;
    if (handle.readStart!() !== 0) this.#socket.destroy();
  }

  /** Answers what the stream is still to send: all of it while something waits there, or when the system refuses. */
  write(bytes: Uint8Array): Uint8Array | null {
    if (!this.#isOpen() || this.#socket.writableLength > 0) return bytes;
    let written: number;
    try {
      written = writeSync(this.#fd, bytes, 0, bytes.length);
    } catch {
      // The peer takes nothing now, or is gone: the stream finds out which by itself.
      return bytes;
    }
    return written === bytes.length ? null : bytes.subarray(written);
  }

  #isOpen(): boolean {
    return handleOf(this.#socket) === this.#handle;
  }
}

function handleOf(socket: Socket): SocketHandle | null {
  return (socket as unknown as { readonly _handle?: SocketHandle | null })._handle ?? null;
}

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** As much as Node reads at once by itself. */
const READ_BYTES = 64 * 1024;
/** One for all sockets: what a read brought is copied before the next one begins. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

interface SocketHandle {
  useUserBuffer?(buffer: Uint8Array): void;
}

/**
 * Has everything that a socket brings read into one buffer that all sockets share, and gives each piece to `receive` as
 * a copy of its own length. By itself Node allocates 64 KiB for each reading, shrinks them to what came, and leaves a
 * buffer outside of the heap to the garbage collector, which is much for a device that sends one message now and then.
 * And a pause then holds at once: without it a socket is read on until 64 KiB wait in its stream.
 *
 * Node has this as the option `onread`, for sockets that connect and not for those that a server accepts; for these it
 * is set here in the same way. Answers false, and changes nothing, where Node does not have it so: the stream's `data`
 * then brings the same. Encrypted streams stay as they are.
 */
export function readIntoSharedBuffer(socket: Socket, receive: (bytes: Buffer) => void): boolean {
  if (socket instanceof TLSSocket) return false;
  const fields = socket as unknown as Record<symbol, unknown> & { readonly _handle?: SocketHandle | null };
  const handle = fields._handle;
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  if (typeof handle?.useUserBuffer !== 'function' || buffer === undefined || callback === undefined) return false;
  fields[buffer] = READ_BUFFER;
  fields[callback] = (count: number): boolean => {
    const bytes = Buffer.allocUnsafe(count);
    READ_BUFFER.copy(bytes, 0, 0, count);
    receive(bytes);
    return true;
  };
  handle.useUserBuffer(READ_BUFFER);
  return true;
}

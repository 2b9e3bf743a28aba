import type { Socket } from 'node:net';

import {
  mayBeProxySignature,
  PROXY_PREFIX_BYTES,
  PROXY_SIGNATURE,
  type ProxyBody,
  type ProxyPrefix,
  readProxyBody,
  readProxyPrefix,
} from './proxy-protocol.ts';

/**
 * Takes the PROXY header off a socket and not one byte more: what follows, be it TLS or MQTT, is for whoever reads
 * next. `done` is called once, or never if the socket ends before; who waits keeps the time.
 */
export function readProxyHeader(socket: Socket, done: (body: ProxyBody) => void): void {
  let signature: Buffer | null = null;
  let prefix: (ProxyPrefix & { kind: 'prefix' }) | null = null;
  const finish = (body: ProxyBody): void => {
    socket.off('readable', onReadable);
    done(body);
  };
  const onReadable = (): void => {
    if (signature === null) {
      signature = socket.read(PROXY_SIGNATURE.length) as Buffer | null;
      if (signature === null) return;
      // Answered at once, so that a client without a header is not left waiting for the time limit.
      if (!mayBeProxySignature(signature)) return finish(refusalOf(signature));
    }
    if (prefix === null) {
      const rest = socket.read(PROXY_PREFIX_BYTES - PROXY_SIGNATURE.length) as Buffer | null;
      if (rest === null) return;
      const read = readProxyPrefix(Buffer.concat([signature, rest]));
      if (read.kind === 'refused') return finish(read);
      prefix = read;
    }
    if (prefix.bodyBytes === 0) return finish(readProxyBody(Buffer.alloc(0), prefix));
    const body = socket.read(prefix.bodyBytes) as Buffer | null;
    if (body === null) return;
    // A socket that ended hands out what is left, which is less than was asked for.
    if (body.length < prefix.bodyBytes) return finish({ kind: 'refused', detail: 'the header is cut short' });
    finish(readProxyBody(body, prefix));
  };
  socket.on('readable', onReadable);
}

function refusalOf(start: Buffer): ProxyBody {
  const padded = Buffer.concat([start, Buffer.alloc(PROXY_PREFIX_BYTES)]).subarray(0, PROXY_PREFIX_BYTES);
  const read = readProxyPrefix(padded);
  return read.kind === 'refused' ? read : { kind: 'refused', detail: 'there is no PROXY header' };
}

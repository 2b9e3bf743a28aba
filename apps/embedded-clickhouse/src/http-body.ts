import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, createInflate, deflate, gzip } from 'node:zlib';

import { CODES, raise } from './clickhouse-error.ts';

const gzipAsync = promisify(gzip);
const deflateAsync = promisify(deflate);
/** Speed counts on loopback, not size. */
const COMPRESSION = { level: 1 };

/** Bytes of bodies in memory over all requests. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw raise(CODES.tooManyStatements, 'Too many bytes of statements wait already; send it again later');
    }
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Reads and decompresses a body; its bytes are taken from the budget and must be given back by the caller. */
export async function readBody(
  request: IncomingMessage,
  limits: { readonly bodyBytesMax: number; readonly budget: BodyBudget },
): Promise<Buffer> {
  const source = decompressed(request);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (bytes + chunk.length > limits.bodyBytesMax) {
        throw raise(CODES.tooLarge, `A body has at most ${limits.bodyBytesMax} bytes`);
      }
      limits.budget.take(chunk.length);
      bytes += chunk.length;
      chunks.push(chunk);
    }
  } catch (error) {
    limits.budget.giveBack(bytes);
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      throw raise(CODES.cannotDecompress, 'The body is not what Content-Encoding says');
    }
    throw error;
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes);
}

function decompressed(request: IncomingMessage): Readable {
  const encoding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return request;
  const transform = encoding === 'gzip' ? createGunzip() : encoding === 'deflate' ? createInflate() : null;
  if (transform === null) throw raise(CODES.notImplemented, 'Content-Encoding is gzip or deflate here');
  // `pipe` does not carry errors over; without this a client that goes away would leave the reader waiting.
  request.once('error', (error) => transform.destroy(error));
  return request.pipe(transform);
}

/** Sends a complete answer, compressed when the client asked for that. */
export async function sendAnswer(
  response: ServerResponse,
  answer: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
    readonly acceptEncoding: string;
  },
): Promise<void> {
  const encoding = /\bgzip\b/.test(answer.acceptEncoding)
    ? 'gzip'
    : /\bdeflate\b/.test(answer.acceptEncoding)
      ? 'deflate'
      : null;
  const body =
    encoding === null || answer.body.length === 0
      ? answer.body
      : await (encoding === 'gzip' ? gzipAsync : deflateAsync)(answer.body, COMPRESSION);
  const encoded = encoding !== null && answer.body.length > 0 ? { 'content-encoding': encoding } : {};
  response.writeHead(answer.status, { ...answer.headers, ...encoded, 'content-length': String(body.length) });
  response.end(body);
}

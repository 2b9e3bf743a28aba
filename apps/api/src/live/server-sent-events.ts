import type { ServerResponse } from 'node:http';

const RETRY_MS = 2_000;

/**
 * One `text/event-stream` response. `send` waits while the socket is full, so whoever feeds it must be bounded;
 * comments are only for keeping the way open and are left out then.
 */
export class ServerSentEvents {
  readonly #response: ServerResponse;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(response: ServerResponse, options: { readonly heartbeatMs: number; readonly firstId: string }) {
    this.#response = response;
    // A client that leaves in the middle of a write is no fault; without a listener it would end the process.
    response.on('error', () => undefined);
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    // An id without data is remembered by the client, so that it resumes here even if it never got an event.
    response.write(`retry: ${RETRY_MS}\nid: ${options.firstId}\n: connected\n\n`);
    this.#heartbeat = setInterval(() => {
      if (!response.writableNeedDrain && !response.destroyed) response.write(': heartbeat\n\n');
    }, options.heartbeatMs);
  }

  /** `data` is one line of JSON; without an id the client keeps the one it has. False once the client is gone. */
  async send(event: { readonly name: string; readonly id: string | null; readonly data: string }): Promise<boolean> {
    if (this.#response.destroyed || this.#response.writableEnded) return false;
    const id = event.id === null ? '' : `id: ${event.id}\n`;
    if (this.#response.write(`event: ${event.name}\n${id}data: ${event.data}\n\n`)) return true;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#response.off('drain', done);
        this.#response.off('close', done);
        resolve();
      };
      this.#response.on('drain', done);
      this.#response.on('close', done);
    });
    return !this.#response.destroyed;
  }

  end(): void {
    clearInterval(this.#heartbeat);
    this.#response.end();
  }
}

import { rmSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';

/** What a link does to what passes over it. Replies are what flows from the server to its client. */
export type LinkManner =
  | { readonly kind: 'pass' }
  /** Nothing arrives any more, in either direction, and nobody is told: a cable that is pulled. */
  | { readonly kind: 'silent' }
  /** Connections are reset, and new ones too. */
  | { readonly kind: 'refuse' }
  /** Replies come late by `meanMs`, more or less by `spreadMs`, in order. */
  | { readonly kind: 'slow'; readonly meanMs: number; readonly spreadMs: number }
  /** The server hears everything and does it; so many of its replies are lost, each together with its connection. */
  | { readonly kind: 'loseReplies'; readonly share: number }
  /** The server is never asked: each request is answered with an HTTP error. */
  | { readonly kind: 'httpError'; readonly status: number };

export interface LinkOptions {
  /** A path of a Unix socket, or 0 for a free port on the loopback. */
  readonly listen: string | 0;
  /** Asked for each connection: a server that starts again may listen elsewhere. */
  readonly target: () => NetConnectOpts;
  /** How often this text passes in replies is counted. */
  readonly counted?: string;
}

interface Passage {
  readonly client: Socket;
  readonly server: Socket;
}

/** How much of one direction waits in a silent or slow link before the link stops reading, as a network would. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/**
 * A network between two parts that can be spoilt while they run. It takes connections of its own accord and carries
 * bytes; what it does to them changes at any moment, for the connections that are open as well.
 */
export class LinkProxy {
  readonly #target: () => NetConnectOpts;
  readonly #counted: string | null;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #manner: LinkManner = { kind: 'pass' };
  #release: (() => void)[] = [];
  #repliesLost = 0;
  #seen = 0;

  private constructor({ target, counted = '' }: LinkOptions) {
    this.#target = target;
    this.#counted = counted === '' ? null : counted;
    this.#server = createServer({ allowHalfOpen: false }, (client) => this.#accept(client));
  }

  static async start(options: LinkOptions): Promise<LinkProxy> {
    const proxy = new LinkProxy(options);
    const { listen } = options;
    if (typeof listen === 'string') rmSync(listen, { force: true });
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      if (typeof listen === 'string') proxy.#server.listen(listen, resolve);
      else proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** Where it listens on the loopback; 0 for a Unix socket. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** How often the server has answered with the counted text. */
  get seen(): number {
    return this.#seen;
  }

  get repliesLost(): number {
    return this.#repliesLost;
  }

  behave(manner: LinkManner): void {
    this.#manner = manner;
    for (const release of this.#release.splice(0)) release();
    if (manner.kind === 'refuse') this.reset();
  }

  /** Ends every open connection; new ones are taken as before. */
  reset(): void {
    for (const { client, server } of this.#passages) {
      client.destroy();
      server.destroy();
    }
  }

  async stop(): Promise<void> {
    this.behave({ kind: 'pass' });
    this.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#manner.kind === 'refuse') {
      client.destroy();
      return;
    }
    const passage = { client, server: connect(this.#target()) };
    this.#passages.add(passage);
    for (const [socket, other] of [
      [passage.client, passage.server],
      [passage.server, passage.client],
    ] as const) {
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#passages.delete(passage);
        other.destroy();
      });
    }
    this.#carry(passage, 'request');
    this.#carry(passage, 'reply');
  }

  #carry(passage: Passage, what: 'request' | 'reply'): void {
    const [from, to] = what === 'request' ? [passage.client, passage.server] : [passage.server, passage.client];
    let held = 0;
    let turn: Promise<void> = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      const manner = this.#manner;
      if (what === 'reply' && this.#counted !== null && chunk.includes(this.#counted)) this.#seen += 1;
      if (what === 'request' && manner.kind === 'httpError') {
        passage.client.end(httpAnswer(manner.status));
        return;
      }
      if (what === 'reply' && manner.kind === 'loseReplies' && Math.random() < manner.share) {
        this.#repliesLost += 1;
        passage.client.destroy();
        return;
      }
      if (held === 0 && this.#isPrompt(what)) {
        if (!to.write(chunk)) this.#waitForDrain(from, to);
        return;
      }
      held += chunk.length;
      if (held > HELD_BYTES_MAX) from.pause();
      const dueAt = Date.now() + this.#delayMs(what);
      turn = turn.then(async () => {
        await this.#passes(dueAt);
        held -= chunk.length;
        if (held <= HELD_BYTES_MAX) from.resume();
        to.write(chunk);
      });
    });
  }

  #isPrompt(what: 'request' | 'reply'): boolean {
    return this.#manner.kind !== 'silent' && (what === 'request' || this.#manner.kind !== 'slow');
  }

  #delayMs(what: 'request' | 'reply'): number {
    if (what === 'request' || this.#manner.kind !== 'slow') return 0;
    const { meanMs, spreadMs } = this.#manner;
    return meanMs + spreadMs * (2 * Math.random() - 1);
  }

  #waitForDrain(from: Socket, to: Socket): void {
    from.pause();
    to.once('drain', () => from.resume());
  }

  /** Until the link carries again and the chunk is due. */
  async #passes(dueAt: number): Promise<void> {
    while (this.#manner.kind === 'silent') await new Promise<void>((resolve) => this.#release.push(resolve));
    while (this.#manner.kind === 'slow') {
      const leftMs = dueAt - Date.now();
      if (leftMs <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#release.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

function httpAnswer(status: number): string {
  const body = `Code: 999. DB::Exception: the link answers in place of the server`;
  const head = `HTTP/1.1 ${status} Fault\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}`;
  return `${head}\r\nconnection: close\r\n\r\n${body}`;
}

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Kafka's number of the request that appends. */
const PRODUCE = 0;
const LENGTH_BYTES = 4;

/**
 * Stands between clients and a broker, which names it as its own address, and loses replies to appends: the broker has
 * done what it was asked, and the client never hears of it.
 */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #upstreamPort = 0;
  #cutting = 0;
  #cuts = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens at once, because the broker must be told the address when it starts. */
  static async start(): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(server);
    server.on('connection', (client) => proxy.#forward(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many replies were cut. */
  get cuts(): number {
    return this.#cuts;
  }

  forwardTo(address: string): void {
    this.#upstreamPort = Number(address.split(':').at(-1));
  }

  /** The next replies to appends, on whichever connection, close that connection instead of passing. */
  cutReplies(count: number): void {
    this.#cutting = count;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket): void {
    const upstream = connect(this.#upstreamPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    // A broker answers the requests of a connection in their order.
    const asked: number[] = [];
    const requests = new MessageSplitter((message) => {
      asked.push(message.readInt16BE(LENGTH_BYTES));
      upstream.write(message);
    });
    const replies = new MessageSplitter((message) => {
      if (asked.shift() !== PRODUCE || this.#cutting === 0) {
        client.write(message);
        return;
      }
      this.#cutting -= 1;
      this.#cuts += 1;
      client.destroy();
    });
    client.on('data', (chunk: Buffer) => requests.push(chunk));
    upstream.on('data', (chunk: Buffer) => replies.push(chunk));
  }
}

/** Cuts a stream into Kafka's messages, each with its length before it. */
class MessageSplitter {
  readonly #onMessage: (message: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onMessage: (message: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#rest.length < LENGTH_BYTES) return;
      const end = LENGTH_BYTES + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) return;
      this.#onMessage(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

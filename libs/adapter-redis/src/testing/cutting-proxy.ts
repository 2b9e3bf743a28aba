import { connect, createServer, type Server, type Socket } from 'node:net';

const LOOPBACK = 'redis://127.0.0.1:';

/**
 * Stands between a client and a redis-server and loses replies: the server has done what it was asked, and the client
 * never hears of it.
 */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly url: string;
  #cutting: string | null = null;
  #cuts = 0;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** Between two sockets of files, or two ports of the loopback interface. */
  static async start<Place extends string | number>(listenAt: Place, serverAt: Place): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(server, typeof listenAt === 'string' ? `unix://${listenAt}` : LOOPBACK + listenAt);
    server.on('connection', (client) =>
      proxy.#forward(client, typeof serverAt === 'string' ? connect(serverAt) : connect(serverAt, '127.0.0.1')),
    );
    await new Promise<void>((resolve) =>
      typeof listenAt === 'string' ? server.listen(listenAt, resolve) : server.listen(listenAt, '127.0.0.1', resolve),
    );
    return proxy;
  }

  /** How many replies were cut. */
  get cuts(): number {
    return this.#cuts;
  }

  /** The next reply to a request with this text in it, on whichever connection, closes that connection instead. */
  cutNextReply(asked = ''): void {
    this.#cutting = asked;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket, upstream: Socket): void {
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
    let asked: Buffer = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      asked = chunk;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      if (this.#cutting === null || !asked.includes(this.#cutting)) {
        client.write(chunk);
        return;
      }
      this.#cutting = null;
      this.#cuts += 1;
      client.destroy();
    });
  }
}

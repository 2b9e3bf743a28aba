import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Stands between a client and a redis-server and loses replies: the server has done what it was asked, and the client
 * never hears of it.
 */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly url: string;
  #cutting = false;
  #cuts = 0;

  private constructor(server: Server, listenPath: string) {
    this.#server = server;
    this.url = `unix://${listenPath}`;
  }

  static async start(listenPath: string, serverPath: string): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(server, listenPath);
    server.on('connection', (client) => proxy.#forward(client, connect(serverPath)));
    await new Promise<void>((resolve) => server.listen(listenPath, resolve));
    return proxy;
  }

  /** How many replies were cut. */
  get cuts(): number {
    return this.#cuts;
  }

  /** The next reply, on whichever connection, closes that connection instead of passing. */
  cutNextReply(): void {
    this.#cutting = true;
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
    client.on('data', (chunk: Buffer) => upstream.write(chunk));
    upstream.on('data', (chunk: Buffer) => {
      if (!this.#cutting) {
        client.write(chunk);
        return;
      }
      this.#cutting = false;
      this.#cuts += 1;
      client.destroy();
    });
  }
}

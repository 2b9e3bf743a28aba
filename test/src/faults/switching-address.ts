import { connect, createServer, type Server, type Socket } from 'node:net';

/** An address behind which one server stands, and later another: what Sentinel or a service name is to clients. */
export class SwitchingAddress {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: string;

  private constructor(server: Server, listenPath: string, target: string) {
    this.#server = server;
    this.url = `unix://${listenPath}`;
    this.#target = target;
  }

  static async start(listenPath: string, target: string): Promise<SwitchingAddress> {
    const server = createServer();
    const address = new SwitchingAddress(server, listenPath, target);
    server.on('connection', (client) => address.#forward(client));
    await new Promise<void>((resolve) => server.listen(listenPath, resolve));
    return address;
  }

  /** Connections to the server before end; the next ones go to this one. */
  switchTo(target: string): void {
    this.#target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket): void {
    const upstream = connect(this.#target);
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
      socket.pipe(other);
    }
  }
}

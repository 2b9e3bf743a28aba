import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands in the URL, so in the first bytes of a request. */
const INSERT_PATTERN = /INSERT[^ ]{1,6}INTO[^ ]{1,6}breakwater\.(range_)?records_in/;
const HEAD_BYTES = 2_048;

/** What happens to the reply of a request that was asked about. */
export type ReplyFate = 'pass' | 'cut';

/** Stands between the writer and ClickHouse, and can keep a reply from arriving although its work is done. */
export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Asked when the first bytes of the reply to an insert of record lines arrive. */
  onInsertReply: () => ReplyFate | Promise<ReplyFate> = () => 'pass';

  private constructor(targetPort: () => number) {
    this.#server = createServer((client) => this.#forward(client, targetPort()));
  }

  static async start(targetPort: () => number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #forward(client: Socket, port: number): void {
    const target = connect(port, '127.0.0.1');
    let isInsert = false;
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        target.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (INSERT_PATTERN.test(bytes.toString('latin1', 0, HEAD_BYTES))) isInsert = true;
      target.write(bytes);
    });
    target.on('data', (bytes) => {
      if (!isInsert) return void client.write(bytes);
      isInsert = false;
      void Promise.resolve(this.onInsertReply()).then((fate) =>
        fate === 'cut' ? client.destroy() : client.write(bytes),
      );
    });
  }
}

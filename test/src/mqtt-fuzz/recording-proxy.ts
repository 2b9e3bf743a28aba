import { type AddressInfo, connect, createServer, type Server } from 'node:net';

/** Stands between clients and a server, and writes down what each client sends. For short sessions on loopback. */
export class RecordingProxy {
  /** What each connection has sent, in the order in which they came. */
  readonly connections: Buffer[] = [];
  readonly #server: Server;

  constructor(targetPort: number) {
    this.#server = createServer({ noDelay: true }, (client) => {
      const at = this.connections.push(Buffer.alloc(0)) - 1;
      const target = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
      client.on('data', (bytes) => (this.connections[at] = Buffer.concat([this.connections[at] as Buffer, bytes])));
      client.pipe(target);
      target.pipe(client);
      // An end that resets its side takes the other one with it.
      client.on('error', () => target.destroy());
      target.on('error', () => client.destroy());
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

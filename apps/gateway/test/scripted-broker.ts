import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { generate, type Packet, parser } from 'mqtt-packet';

const VERSION = { protocolVersion: 5 } as const;

/** Another broker of which a test says what it delivers: a subscriber gets nothing but that. */
export class ScriptedBroker {
  /** Filters, in the order in which they were subscribed: one for each connection. */
  readonly filters: string[] = [];
  /** Packet ids that the newest subscriber has acknowledged. */
  acknowledged: number[] = [];
  readonly #server: Server;
  #subscriber: Socket | null = null;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(): Promise<ScriptedBroker> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedBroker(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** With QoS 1, in this order. */
  deliver(messages: readonly { readonly packetId: number; readonly topic: string; readonly payload: string }[]): void {
    for (const { packetId, topic, payload } of messages) {
      const publish = { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false } as const;
      this.#subscriber!.write(generate({ ...publish, messageId: packetId }, VERSION));
    }
  }

  /** Without a word. */
  cut(): void {
    this.#subscriber?.destroy();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    const parsing = parser(VERSION);
    socket.on('error', () => undefined).on('data', (bytes) => parsing.parse(bytes));
    parsing.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        socket.write(generate({ cmd: 'connack', reasonCode: 0, sessionPresent: true }, VERSION));
      } else if (packet.cmd === 'subscribe') {
        this.#subscriber = socket;
        this.acknowledged = [];
        socket.write(generate({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1] }, VERSION));
        this.filters.push(...packet.subscriptions.map(({ topic }) => topic));
      } else if (packet.cmd === 'puback') {
        this.acknowledged.push(packet.messageId ?? 0);
      }
    });
  }
}

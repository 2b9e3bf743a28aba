import type { IPublishPacket, Packet } from 'mqtt-packet';

import { packetLine, RICH_PROPERTIES } from './packet-line.ts';
import { WireClient } from './wire-client.ts';

const KEEPALIVE_SECONDS = 600;
/** A barrier behind the close of another connection: servers may need a turn to notice it. */
const PINGS_AFTER_CLOSE = 2;

/**
 * The application at the other end: it sends what the device is to receive, and hears what the device and its will
 * say. It answers everything rightly and at once.
 */
export class ScriptedPeer {
  readonly #client: WireClient;
  readonly #prefix: string;
  readonly #open = new Set<number>();
  #heard: string[] = [];
  #packetId = 0;
  #isWelcome = false;

  constructor(options: { port: number; prefix: string }) {
    this.#prefix = options.prefix;
    this.#client = new WireClient({ port: options.port, version: 5, onPacket: (packet) => this.#answer(packet) });
  }

  async start(): Promise<void> {
    this.#client.send(
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 5,
        clientId: `${this.#prefix}peer`,
        clean: true,
        keepalive: KEEPALIVE_SECONDS,
      },
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${this.#prefix}up/#`, qos: 2 }] },
    );
    await this.#client.until('SUBACK', () => this.#isWelcome);
    this.#heard = [];
  }

  /** Settles when the server has all of them for good. */
  async publish(
    messages: readonly { topic: string; payload: string; qos: 0 | 1 | 2; rich: boolean; expiryS: number }[],
  ): Promise<void> {
    this.#client.send(
      ...messages.map(({ topic, payload, qos, rich, expiryS }): IPublishPacket => {
        const common = { cmd: 'publish' as const, topic: this.#prefix + topic, payload, dup: false, retain: false };
        const properties = { messageExpiryInterval: expiryS, ...(rich && RICH_PROPERTIES) };
        if (qos === 0) return { ...common, qos, properties };
        this.#packetId += 1;
        this.#open.add(this.#packetId);
        return { ...common, qos, messageId: this.#packetId, properties };
      }),
    );
    await this.#client.until('the acknowledgements of the peer', () => this.#open.size === 0);
    await this.#client.ping();
  }

  async settle(): Promise<void> {
    for (let count = 0; count < PINGS_AFTER_CLOSE; count += 1) await this.#client.ping();
  }

  /** What it has heard since the last call. */
  takeHeard(): string[] {
    const heard = this.#heard;
    this.#heard = [];
    return this.#client.isClosed ? [...heard, 'closed'] : heard;
  }

  stop(): void {
    this.#client.destroy();
  }

  #answer(packet: Packet): void {
    this.#heard.push(packetLine(packet, this.#prefix));
    switch (packet.cmd) {
      case 'suback':
        this.#isWelcome = true;
        break;
      case 'publish':
        if (packet.qos === 0) break;
        this.#client.send({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packet.messageId as number });
        break;
      case 'pubrel':
        this.#client.send({ cmd: 'pubcomp', messageId: packet.messageId as number });
        break;
      case 'pubrec':
        this.#client.send({ cmd: 'pubrel', messageId: packet.messageId as number });
        break;
      case 'puback':
      case 'pubcomp':
        this.#open.delete(packet.messageId as number);
        break;
      default:
    }
  }
}

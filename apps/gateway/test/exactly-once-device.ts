import { RawClient } from './raw-client.ts';

const PAUSE_MS = 2;
const RECONNECT_MS = 50;

/**
 * A device that sends the same bytes with QoS 2 again and again, with the lowest packet id that is free: nothing but
 * MQTT's own rules tells one message from the next. It keeps to them across connections.
 */
export class ExactlyOnceDevice {
  completed = 0;
  /** CONNACKs that denied the session. */
  sessionsLost = 0;
  #client: RawClient | null = null;
  #seen = 0;
  #sent = 0;
  /** By packet id, in the order of the first sending. */
  readonly #open = new Map<number, 'published' | 'received'>();

  constructor(
    readonly id: string,
    private readonly port: () => number,
  ) {}

  async run(count: number, window: number): Promise<void> {
    while (this.completed < count) {
      if (this.#client === null || this.#client.closed) await this.#connect();
      this.#takeAnswers();
      while (this.#open.size < window && this.#sent < count) {
        this.#sent += 1;
        const packetId = this.#freeId();
        this.#open.set(packetId, 'published');
        this.#publish(packetId, false);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#client?.drop();
  }

  async #connect(): Promise<void> {
    const isFirst = this.#client === null;
    for (;;) {
      const properties = { sessionExpiryInterval: 600 };
      this.#client = await RawClient.connect(this.port(), this.id, { protocolVersion: 5, clean: false, properties });
      if (this.#client.accepted) break;
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
    this.#seen = 1;
    if (!isFirst && !this.#client.sessionPresent) this.sessionsLost += 1;
    for (const [packetId, state] of this.#open) {
      if (state === 'published') this.#publish(packetId, true);
      else this.#client.send({ cmd: 'pubrel', messageId: packetId });
    }
  }

  #takeAnswers(): void {
    const packets = this.#client?.packets ?? [];
    for (const packet of packets.slice(this.#seen)) {
      const packetId = packet.messageId ?? 0;
      if (packet.cmd === 'pubrec' && this.#open.get(packetId) === 'published') {
        this.#open.set(packetId, 'received');
        this.#client?.send({ cmd: 'pubrel', messageId: packetId });
      } else if (packet.cmd === 'pubcomp' && this.#open.delete(packetId)) {
        this.completed += 1;
      }
    }
    this.#seen = packets.length;
  }

  #publish(messageId: number, dup: boolean): void {
    this.#client?.publish(messageId, '{"n":1}', { qos: 2, dup });
  }

  #freeId(): number {
    let packetId = 1;
    while (this.#open.has(packetId)) packetId += 1;
    return packetId;
  }
}

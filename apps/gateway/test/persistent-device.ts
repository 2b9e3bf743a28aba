import { RawClient } from './raw-client.ts';

/** A device that sends numbers, keeps what is not acknowledged, and sends that again first, with DUP. */
export class PersistentDevice {
  readonly acknowledged = new Set<number>();
  readonly #open = new Map<number, number>();
  #client: RawClient | null = null;
  #next = 1;
  #seen = 0;

  constructor(
    readonly id: string,
    private readonly port: () => number,
  ) {}

  async connect(): Promise<void> {
    while (this.#client === null || this.#client.closed || !this.#client.accepted) {
      this.#client = await RawClient.open(this.port(), this.id);
      this.#seen = 0;
      if (!this.#client.accepted) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const [packetId, number] of this.#open)
      this.#client.publish(packetId, JSON.stringify({ n: number }), { dup: true });
  }

  /** Keeps `window` messages under way until `count` are acknowledged. */
  async run(count: number, window: number): Promise<void> {
    while (this.acknowledged.size < count) {
      if (this.#client === null || this.#client.closed) await this.connect();
      this.#takeAcknowledgements();
      while (this.#open.size < window && this.#next <= count) {
        const number = this.#next++;
        this.#open.set(number, number);
        this.#client?.publish(number, JSON.stringify({ n: number }));
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    this.#client?.drop();
  }

  #takeAcknowledgements(): void {
    const packetIds = this.#client?.acknowledged() ?? [];
    for (const packetId of packetIds.slice(this.#seen)) {
      const number = this.#open.get(packetId);
      if (number === undefined) continue;
      this.#open.delete(packetId);
      this.acknowledged.add(number);
    }
    this.#seen = packetIds.length;
  }
}

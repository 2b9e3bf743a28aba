import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import type { Clock, SessionDirectory, SessionEntry } from '@breakwater/twin-runtime';

/** The session directory in memory. */
export class MemorySessionDirectory implements SessionDirectory {
  readonly #clock: Clock;
  readonly #sessions = new Map<Partition, Map<DeviceKey, SessionEntry>>();
  /** Outlives the sessions: an epoch is never given twice. */
  readonly #epochs = new Map<DeviceKey, number>();
  readonly #gateways = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async open(
    partition: Partition,
    key: DeviceKey,
    gatewayId: string,
  ): Promise<{ readonly sessionEpoch: SessionEpoch; readonly displaced: SessionEntry | null }> {
    const sessionEpoch = ((this.#epochs.get(key) ?? 0) + 1) as SessionEpoch;
    this.#epochs.set(key, sessionEpoch);
    const sessions = this.#of(partition);
    const displaced = sessions.get(key) ?? null;
    sessions.set(key, { key, sessionEpoch, gatewayId });
    return { sessionEpoch, displaced };
  }

  async close(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<boolean> {
    const sessions = this.#of(partition);
    return sessions.get(key)?.sessionEpoch === sessionEpoch && sessions.delete(key);
  }

  async find(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly (SessionEntry | null)[]> {
    return keys.map((key) => this.#of(partition).get(key) ?? null);
  }

  async scan(
    partition: Partition,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly SessionEntry[]; readonly cursor: string }> {
    // Pages go by key, so that a session that is there throughout a scan is seen by it, whatever comes and goes.
    const rest = [...this.#of(partition).values()]
      .filter((entry) => cursor === '0' || entry.key > cursor)
      .sort((left, right) => (left.key < right.key ? -1 : 1));
    const entries = rest.slice(0, limit);
    return { entries, cursor: rest.length > limit ? (entries.at(-1)?.key ?? '0') : '0' };
  }

  async renewGateway(gatewayId: string, ttlMs: number): Promise<boolean> {
    if (!this.#lives(gatewayId)) return false;
    await this.registerGateway(gatewayId, ttlMs);
    return true;
  }

  async registerGateway(gatewayId: string, ttlMs: number): Promise<void> {
    this.#gateways.set(gatewayId, this.#clock.nowMs() + ttlMs);
  }

  async unregisterGateway(gatewayId: string): Promise<void> {
    this.#gateways.delete(gatewayId);
  }

  async liveGateways(gatewayIds: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(gatewayIds.filter((gatewayId) => this.#lives(gatewayId)));
  }

  #lives(gatewayId: string): boolean {
    return (this.#gateways.get(gatewayId) ?? 0) > this.#clock.nowMs();
  }

  #of(partition: Partition): Map<DeviceKey, SessionEntry> {
    let sessions = this.#sessions.get(partition);
    if (sessions === undefined) this.#sessions.set(partition, (sessions = new Map()));
    return sessions;
  }
}

import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';
import {
  type Clock,
  type LeavingSession,
  LEAVING_SESSIONS_MAX,
  type OpenedSession,
  PlatformError,
  type SessionArchive,
  type SessionDirectory,
  type SessionEntry,
  type SessionToKeep,
} from '@breakwater/twin-runtime';

const ARCHIVED_BYTES_MAX = 16 * 1024 * 1024;

interface KeptSession extends Omit<SessionToKeep, 'ttlMs'> {
  readonly untilMs: number;
}

/** The session directory and archive in memory. */
export class MemorySessionDirectory implements SessionDirectory, SessionArchive {
  readonly #clock: Clock;
  readonly #archivedBytesMax: number;
  readonly #archive = new Map<DeviceKey, KeptSession>();
  readonly #sessions = new Map<Partition, Map<DeviceKey, SessionEntry>>();
  /** Outlives the sessions: an epoch is never given twice. */
  readonly #epochs = new Map<DeviceKey, number>();
  readonly #gateways = new Map<string, number>();
  readonly #leaving = new Map<DeviceKey, readonly LeavingSession[]>();

  constructor(clock: Clock, options: { readonly archivedBytesMax?: number } = {}) {
    this.#clock = clock;
    this.#archivedBytesMax = options.archivedBytesMax ?? ARCHIVED_BYTES_MAX;
  }

  async open(partition: Partition, key: DeviceKey, gatewayId: string): Promise<OpenedSession> {
    const sessionEpoch = ((this.#epochs.get(key) ?? 0) + 1) as SessionEpoch;
    const previousEpoch = this.#epochs.get(key) ?? 0;
    this.#epochs.set(key, sessionEpoch);
    const sessions = this.#of(partition);
    const displaced = sessions.get(key) ?? null;
    sessions.set(key, { key, sessionEpoch, gatewayId });
    if (displaced !== null && displaced.gatewayId !== gatewayId) this.#leaves(displaced);
    const kept = this.#kept(key);
    const archived = kept === null ? null : { sessionEpoch: kept.sessionEpoch, bytes: kept.bytes };
    return { sessionEpoch, previousEpoch, displaced, leaving: await this.leaving(partition, key), archived };
  }

  async save(_partition: Partition, key: DeviceKey, session: SessionToKeep): Promise<'saved' | 'fenced'> {
    const { sessionEpoch, bytes, ttlMs } = session;
    if (bytes.byteLength > this.#archivedBytesMax) {
      throw new PlatformError('SESSION_TOO_LARGE', `a session of ${bytes.byteLength} bytes is not kept`);
    }
    if (this.#epochs.get(key) !== sessionEpoch) return 'fenced';
    this.#archive.set(key, { sessionEpoch, bytes: Uint8Array.from(bytes), untilMs: this.#clock.nowMs() + ttlMs });
    return 'saved';
  }

  async extend(_partition: Partition, key: DeviceKey, kept: Omit<SessionToKeep, 'bytes'>): Promise<boolean> {
    const session = this.#kept(key);
    if (session === null || this.#epochs.get(key) !== kept.sessionEpoch) return false;
    this.#archive.set(key, { ...session, untilMs: this.#clock.nowMs() + kept.ttlMs });
    return true;
  }

  async remove(_partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<void> {
    if (this.#epochs.get(key) === sessionEpoch) this.#archive.delete(key);
  }

  #kept(key: DeviceKey): KeptSession | null {
    const kept = this.#archive.get(key);
    if (kept === undefined || kept.untilMs > this.#clock.nowMs()) return kept ?? null;
    this.#archive.delete(key);
    return null;
  }

  async leaving(_partition: Partition, key: DeviceKey): Promise<readonly LeavingSession[]> {
    return this.#leaving.get(key) ?? [];
  }

  async heard(_partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<void> {
    const leaving = this.#leaving.get(key) ?? [];
    const heard = leaving.map((one) => (one.sessionEpoch === sessionEpoch ? { ...one, isHeard: true } : one));
    if (heard.length > 0) this.#leaving.set(key, heard);
  }

  #leaves({ key, sessionEpoch, gatewayId }: SessionEntry): void {
    const leaving = [...(this.#leaving.get(key) ?? []), { sessionEpoch, gatewayId, isHeard: false }];
    this.#leaving.set(key, leaving.slice(-LEAVING_SESSIONS_MAX));
  }

  async close(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<boolean> {
    const leaving = (this.#leaving.get(key) ?? []).filter((one) => one.sessionEpoch !== sessionEpoch);
    if (leaving.length === 0) this.#leaving.delete(key);
    else this.#leaving.set(key, leaving);
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

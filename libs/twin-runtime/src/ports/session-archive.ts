import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';

/** A session as a gateway left it. What the bytes mean is the gateways' business alone. */
export interface ArchivedSession {
  /** Who wrote it. */
  readonly sessionEpoch: SessionEpoch;
  readonly bytes: Uint8Array;
}

/** What is to be kept of a device's session, by whom, and how long. */
export interface SessionToKeep extends ArchivedSession {
  /** From this write on. Then it is forgotten, so that no session stays for ever. */
  readonly ttlMs: number;
}

/**
 * MQTT sessions between their connections, one per device. The right to write one is the session epoch that
 * `SessionDirectory.open` gives: with the next epoch of the device every older one is fenced, here too. So a claim
 * costs nothing beside the takeover, which answers what is kept, and two gateways never both continue one session.
 */
export interface SessionArchive {
  /**
   * Replaces what is kept of the device. `fenced`: it has a newer session epoch, and nothing was written. Repeating it
   * after a lost reply is harmless. Rejects with `SESSION_TOO_LARGE` when there are too many bytes.
   */
  save(partition: Partition, key: DeviceKey, session: SessionToKeep): Promise<'saved' | 'fenced'>;
  /** Lets what this epoch has kept live for `ttlMs` from now. False: there is nothing, or the epoch is fenced. */
  extend(partition: Partition, key: DeviceKey, kept: Omit<SessionToKeep, 'bytes'>): Promise<boolean>;
  /** Forgets the session, unless a newer epoch was given. */
  remove(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<void>;
}

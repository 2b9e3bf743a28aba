import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';

import type { ArchivedSession } from './session-archive.ts';

export interface SessionEntry {
  readonly key: DeviceKey;
  readonly sessionEpoch: SessionEpoch;
  readonly gatewayId: string;
}

/** A session that was taken over, and of which its gateway may still have something on the way to the log. */
export interface LeavingSession {
  readonly sessionEpoch: SessionEpoch;
  readonly gatewayId: string;
  /** Its gateway has said that it knows, and will close the session when nothing of it is on the way any more. */
  readonly isHeard: boolean;
}

/** What a takeover answers. */
export interface OpenedSession {
  readonly sessionEpoch: SessionEpoch;
  /** The one that was given before it, to whichever gateway; 0 when there was none. They need not be neighbours. */
  readonly previousEpoch: number;
  /** The session that it replaced. */
  readonly displaced: SessionEntry | null;
  /** The sessions of other gateways that it, and takeovers before it, replaced and that were not closed since. */
  readonly leaving: readonly LeavingSession[];
  /** What is kept of the device's MQTT session. Nobody with an older epoch changes it any more. */
  readonly archived: ArchivedSession | null;
}

/** Sessions of one device that the directory remembers to be leaving; older ones are forgotten. */
export const LEAVING_SESSIONS_MAX = 8;

/** Which gateway holds the connection of which device. Session epochs are minted here and only grow, per device. */
export interface SessionDirectory {
  /** The takeover: gives the connection the device's next session epoch and answers what was before it. */
  open(partition: Partition, key: DeviceKey, gatewayId: string): Promise<OpenedSession>;
  /** The sessions of the device that were taken over and not closed, oldest first; the newest ones, of very many. */
  leaving(partition: Partition, key: DeviceKey): Promise<readonly LeavingSession[]>;
  /** The gateway of a session that was taken over has heard of it. Without effect once that session is closed. */
  heard(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<void>;
  /**
   * Removes the entry if it still is of this session epoch, and answers whether it was. A session that was taken over
   * is no longer among those that leave.
   */
  close(partition: Partition, key: DeviceKey, sessionEpoch: SessionEpoch): Promise<boolean>;
  /** In the order of the keys; null where no session is open. */
  find(partition: Partition, keys: readonly DeviceKey[]): Promise<readonly (SessionEntry | null)[]>;
  /** Sessions of a partition, page by page; `cursor` '0' starts, and '0' in the answer ends. */
  scan(
    partition: Partition,
    cursor: string,
    limit: number,
  ): Promise<{ readonly entries: readonly SessionEntry[]; readonly cursor: string }>;
  /** The gateway's lease. False when it was lost: the gateway closes its sessions and takes a new id. */
  renewGateway(gatewayId: string, ttlMs: number): Promise<boolean>;
  registerGateway(gatewayId: string, ttlMs: number): Promise<void>;
  unregisterGateway(gatewayId: string): Promise<void>;
  /** Those of the given ids whose lease stands. */
  liveGateways(gatewayIds: readonly string[]): Promise<ReadonlySet<string>>;
}

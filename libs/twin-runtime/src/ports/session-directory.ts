import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';

import type { ArchivedSession } from './session-archive.ts';

export interface SessionEntry {
  readonly key: DeviceKey;
  readonly sessionEpoch: SessionEpoch;
  readonly gatewayId: string;
}

/** What a takeover answers. */
export interface OpenedSession {
  readonly sessionEpoch: SessionEpoch;
  /** The session that it replaced. */
  readonly displaced: SessionEntry | null;
  /** What is kept of the device's MQTT session. Nobody with an older epoch changes it any more. */
  readonly archived: ArchivedSession | null;
}

/** Which gateway holds the connection of which device. Session epochs are minted here and only grow, per device. */
export interface SessionDirectory {
  /** The takeover: gives the connection the device's next session epoch and answers what was before it. */
  open(partition: Partition, key: DeviceKey, gatewayId: string): Promise<OpenedSession>;
  /** Removes the entry if it still is of this session epoch. */
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

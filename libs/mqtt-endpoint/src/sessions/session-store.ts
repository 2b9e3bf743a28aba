import type { MessageProperties } from '../endpoint-host.ts';

/**
 * Where sessions are kept that outlive their connection. Whoever claimed a session last is the only one who may write
 * it: an older claimer is told that it is fenced, so two endpoints never both continue one session.
 */
export interface SessionStore {
  /** Takes the session over, whether it exists or not. Epochs of one key only grow, also across `remove`. */
  claim(sessionKey: string): Promise<ClaimedSession>;
  /** Replaces what is stored. `fenced`: somebody has claimed the session since, and nothing was written. */
  save(sessionKey: string, epoch: number, snapshot: SessionSnapshot): Promise<'saved' | 'fenced'>;
  /** Forgets the session, unless somebody has claimed it since. */
  remove(sessionKey: string, epoch: number): Promise<void>;
}

export interface ClaimedSession {
  readonly epoch: number;
  /** Whose snapshot this is; null when nothing is stored. */
  readonly previousEpoch: number | null;
  readonly snapshot: SessionSnapshot | null;
}

/** A session as it is stored. Times are durations from `savedAtMs`: clocks of processes have nothing in common. */
export interface SessionSnapshot {
  /** Milliseconds of the wall clock. */
  readonly savedAtMs: number;
  /** A connection had it. If its process died, the session is as old as the moment it is found. */
  readonly isAttached: boolean;
  /** What is left of its life, or will be after its connection; null: for ever. */
  readonly expiresInMs: number | null;
  readonly subscriptions: readonly (readonly [filter: string, qos: 0 | 1 | 2])[];
  /** QoS 2 messages that the host has and the client has not released. */
  readonly receivedIds: readonly number[];
  readonly lastPacketId: number;
  /** What is in flight, in the order sent, then what waits. */
  readonly messages: readonly StoredMessage[];
}

export interface StoredMessage extends MessageProperties {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** 0 as long as it waits. */
  readonly packetId: number;
  readonly state: 'queued' | 'sent' | 'released';
  readonly expiresInMs: number | null;
}

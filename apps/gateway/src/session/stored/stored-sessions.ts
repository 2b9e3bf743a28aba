import type { ClaimedSession, SessionSnapshot, SessionStore } from '@breakwater/mqtt-endpoint';
import type { DeviceKey, Incarnation, Partition, SessionEpoch } from '@breakwater/twin';
import {
  type ArchivedSession,
  type Clock,
  type LeavingSession,
  PlatformError,
  type SessionArchive,
  type SessionDirectory,
} from '@breakwater/twin-runtime';
import { partitionOf } from '@breakwater/wire';

import type { PacketRelease, ResendMemory } from '../resend-memory.ts';
import { decodeKeptSession, encodeKeptSession, type KeptSession } from './kept-session.ts';

export interface StoredSessionsOptions {
  readonly directory: Pick<SessionDirectory, 'open'>;
  readonly archive: SessionArchive;
  readonly clock: Clock;
  readonly partitionCount: number;
  /** Detached sessions of which the engine may still write something. */
  readonly detachedMax: number;
  readonly gatewayId: () => string | null;
  readonly onUnreadable: (key: DeviceKey, detail: string) => void;
  readonly onTrouble: (detail: string) => void;
}

/** The takeover that a connection began with. */
export interface SessionClaim {
  readonly key: DeviceKey;
  readonly partition: Partition;
  readonly sessionEpoch: SessionEpoch;
  /** Of the connection before, at whichever gateway; 0 when there was none. */
  readonly previousEpoch: number;
  readonly gatewayId: string;
  readonly incarnation: Incarnation;
  /** Sessions of other gateways that it, and takeovers before it, replaced. */
  readonly leaving: readonly LeavingSession[];
}

interface SessionRecord extends SessionClaim {
  readonly claimedAtMs: number;
  /** Of the session that was found, if it is resumed; else of this connection. */
  firstEpoch: number;
  /** Those that were found or, when its connection is over, all of them. */
  releases: readonly PacketRelease[];
  /** While it has a connection. */
  memory: ResendMemory | null;
  isStored: boolean;
  ttlMs: number;
  storedAtMs: number;
}

/**
 * What is kept of a connected session lives so much longer than the session would without its connection: nobody says
 * when its gateway dies, and from then on the whole expiry is still to come.
 */
const ATTACHED_MARGIN_MS = 3_600_000;
/** Three times in that margin it is told that it lives. */
const EXTEND_MS = ATTACHED_MARGIN_MS / 3;
const EXTENSIONS_PER_SWEEP_MAX = 200;
/** Beyond the expiry of a detached session, which the engine ends by the time that it was saved at. */
const DETACHED_MARGIN_MS = 60_000;
/** A session that never expires for MQTT does so here. */
const NEVER_MS = 10 * 365 * 86_400_000;
/** The epoch of no connection. */
const NOBODY = 0;
/** A claim of which no session opened for so long belongs to a connection that was lost meanwhile. */
const CLAIM_MS = 30_000;

/** The name of a device's session for the engine: the next life of the device has another one. */
export function sessionKeyOf(key: DeviceKey, incarnation: Incarnation): string {
  return `${key}#${incarnation}`;
}

/**
 * The engine's session store on the directory and the archive. A claim is the takeover of the device, which every
 * connect needs, so a session that ends with its connection costs nothing beside it. The right to write is the session
 * epoch: what an older connection still saves, here or at another gateway, is refused.
 *
 * The archive has one session per device, whatever its life; what an older life left there counts as nothing.
 */
export class StoredSessions implements SessionStore {
  readonly #options: StoredSessionsOptions;
  /** Takeovers whose session is still to open. */
  readonly #claimed = new Map<string, SessionRecord>();
  readonly #attached = new Map<string, SessionRecord>();
  /** In the order in which they lost their connections. */
  readonly #detached = new Map<string, SessionRecord>();
  /** Those with a connection that are archived, in the order of their last write. */
  readonly #toExtend = new Map<string, SessionRecord>();

  constructor(options: StoredSessionsOptions) {
    this.#options = options;
  }

  /** Those without a connection that are archived, and of which this gateway knows more than that. */
  get detachedCount(): number {
    return this.#detached.size;
  }

  async claim(sessionKey: string): Promise<ClaimedSession> {
    const { directory, clock, gatewayId: currentId, partitionCount } = this.#options;
    const { key, incarnation } = splitSessionKey(sessionKey);
    const gatewayId = currentId();
    if (gatewayId === null) {
      throw new PlatformError('BACKEND_UNAVAILABLE', 'the gateway has no identity now', { retryable: true });
    }
    const partition = partitionOf(key, partitionCount);
    const {
      sessionEpoch,
      previousEpoch: epochBefore,
      leaving,
      archived,
    } = await directory.open(partition, key, gatewayId);
    const found = archived === null ? null : this.#read(key, incarnation, archived);
    // Over a session of this gateway that was never archived nothing is found, and yet it may go on.
    const own = this.#attached.get(sessionKey) ?? this.#detached.get(sessionKey) ?? null;
    // Behind the others, so that those that wait longest come first.
    this.#claimed.delete(sessionKey);
    this.#claimed.set(sessionKey, {
      ...{
        key,
        partition,
        incarnation,
        sessionEpoch,
        gatewayId,
        leaving,
        previousEpoch: epochBefore,
        claimedAtMs: clock.nowMs(),
      },
      releases: found?.releases ?? [],
      // Until it is known that the session is a new one.
      firstEpoch: found?.firstEpoch ?? own?.firstEpoch ?? sessionEpoch,
      memory: null,
      isStored: archived !== null,
      ttlMs: 0,
      storedAtMs: 0,
    });
    // Somebody may have had the device since we had it, and have left nothing: then what we hold is out of date.
    const isOutOfDate = own !== null && epochBefore !== own.sessionEpoch;
    const previousEpoch = archived?.sessionEpoch ?? (isOutOfDate ? NOBODY : null);
    return { epoch: sessionEpoch, previousEpoch, snapshot: found?.snapshot ?? null };
  }

  /** The session of the last claim opens. Answers its takeover and the connection that the session began with. */
  opened(
    sessionKey: string,
    { isResumed, memory }: { readonly isResumed: boolean; readonly memory: ResendMemory },
  ): SessionClaim & { readonly firstEpoch: number } {
    const record = this.#claimed.get(sessionKey);
    if (record === undefined) {
      throw new PlatformError('BACKEND_UNAVAILABLE', 'the session took too long to open', { retryable: true });
    }
    this.#claimed.delete(sessionKey);
    this.#detached.delete(sessionKey);
    record.memory = memory;
    if (isResumed) memory.takeReleases(record.releases);
    else record.firstEpoch = record.sessionEpoch;
    this.#attached.set(sessionKey, record);
    return record;
  }

  closed(sessionKey: string, sessionEpoch: SessionEpoch): void {
    const record = this.#attached.get(sessionKey);
    if (record === undefined || record.sessionEpoch !== sessionEpoch) return;
    this.#attached.delete(sessionKey);
    this.#toExtend.delete(sessionKey);
    // Only a connection releases anything, and its memory is given back.
    record.releases = record.memory?.releases() ?? record.releases;
    record.memory = null;
    if (record.isStored) this.#keepDetached(sessionKey, record);
  }

  async save(sessionKey: string, epoch: number, snapshot: SessionSnapshot): Promise<'saved' | 'fenced'> {
    const { archive, clock } = this.#options;
    const record = this.#recordOf(sessionKey, epoch);
    const { key, partition, sessionEpoch, incarnation, firstEpoch } = record;
    const releases = record.memory?.releases() ?? record.releases;
    const bytes = encodeKeptSession({ incarnation, firstEpoch, releases, snapshot });
    const marginMs = snapshot.isAttached ? ATTACHED_MARGIN_MS : DETACHED_MARGIN_MS;
    const ttlMs = Math.min(snapshot.expiresInMs ?? NEVER_MS, NEVER_MS) + marginMs;
    // From here on it may be there, whether we hear of it or not.
    record.isStored = true;
    const answer = await archive.save(partition, key, { sessionEpoch, bytes, ttlMs });
    this.#toExtend.delete(sessionKey);
    if (answer === 'saved' && this.#attached.get(sessionKey) === record && snapshot.isAttached) {
      record.ttlMs = ttlMs;
      record.storedAtMs = clock.nowMs();
      this.#toExtend.set(sessionKey, record);
    }
    return answer;
  }

  async remove(sessionKey: string, epoch: number): Promise<void> {
    const record = this.#recordOf(sessionKey, epoch);
    record.isStored = false;
    for (const records of [this.#detached, this.#toExtend]) {
      if (records.get(sessionKey) === record) records.delete(sessionKey);
    }
    await this.#options.archive.remove(record.partition, record.key, record.sessionEpoch);
  }

  /** Takeovers whose connection was lost before its session opened: nobody else leaves the directory for them. */
  takeAbandoned(): readonly SessionClaim[] {
    const oldestMs = this.#options.clock.nowMs() - CLAIM_MS;
    const abandoned: SessionClaim[] = [];
    for (const [sessionKey, record] of this.#claimed) {
      if (record.claimedAtMs > oldestMs) break;
      this.#claimed.delete(sessionKey);
      // The engine may have found the session, and writes it under this claim.
      if (record.isStored) this.#keepDetached(sessionKey, record);
      abandoned.push(record);
    }
    return abandoned;
  }

  /** Called now and then: tells the archive which connected sessions live. */
  async extendDue(): Promise<void> {
    const { archive, clock, onTrouble } = this.#options;
    const nowMs = clock.nowMs();
    const due: SessionRecord[] = [];
    for (const [sessionKey, record] of this.#toExtend) {
      if (due.length === EXTENSIONS_PER_SWEEP_MAX || nowMs - record.storedAtMs < EXTEND_MS) break;
      this.#toExtend.delete(sessionKey);
      record.storedAtMs = nowMs;
      this.#toExtend.set(sessionKey, record);
      due.push(record);
    }
    try {
      const found = await Promise.all(due.map((record) => archive.extend(record.partition, record.key, record)));
      // Taken over, or lost with a Redis that was restored: its next write says which.
      for (const [index, record] of due.entries()) if (found[index] === false) this.#extendNoMore(record);
    } catch (error) {
      // There are two more times before the first of them is forgotten.
      onTrouble(`kept sessions were not extended: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #read(key: DeviceKey, incarnation: Incarnation, archived: ArchivedSession): KeptSession | null {
    const decoded = decodeKeptSession(archived.bytes);
    if (decoded.kind === 'unreadable') {
      this.#options.onUnreadable(key, decoded.detail);
      return null;
    }
    return decoded.session.incarnation === incarnation ? decoded.session : null;
  }

  /** What is known of the session under this epoch; what the engine let go of before is made up anew. */
  #recordOf(sessionKey: string, epoch: number): SessionRecord {
    for (const records of [this.#claimed, this.#attached, this.#detached]) {
      const record = records.get(sessionKey);
      if (record?.sessionEpoch === epoch) return record;
    }
    const { key, incarnation } = splitSessionKey(sessionKey);
    const sessionEpoch = epoch as SessionEpoch;
    const partition = partitionOf(key, this.#options.partitionCount);
    const nothing = { gatewayId: '', leaving: [], releases: [], memory: null, ttlMs: 0, storedAtMs: 0 };
    const times = { claimedAtMs: 0, firstEpoch: epoch, previousEpoch: 0 };
    return { key, partition, incarnation, sessionEpoch, isStored: true, ...nothing, ...times };
  }

  #extendNoMore(record: SessionRecord): void {
    const sessionKey = sessionKeyOf(record.key, record.incarnation);
    if (this.#toExtend.get(sessionKey) === record) this.#toExtend.delete(sessionKey);
  }

  #keepDetached(sessionKey: string, record: SessionRecord): void {
    this.#detached.delete(sessionKey);
    this.#detached.set(sessionKey, record);
    if (this.#detached.size <= this.#options.detachedMax) return;
    const oldest = this.#detached.keys().next();
    if (oldest.done !== true) this.#detached.delete(oldest.value);
  }
}

function splitSessionKey(sessionKey: string): { readonly key: DeviceKey; readonly incarnation: Incarnation } {
  const at = sessionKey.lastIndexOf('#');
  const incarnation = Number(sessionKey.slice(at + 1)) as Incarnation;
  return { key: sessionKey.slice(0, at) as DeviceKey, incarnation };
}

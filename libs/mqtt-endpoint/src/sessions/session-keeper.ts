import type { DeviceSession } from './device-session.ts';
import type { EndpointHost, EndpointLimits, WillMessage } from '../endpoint-host.ts';
import type { EndpointObserver, SessionEnd } from '../endpoint-observer.ts';
import { OutboundMessages } from '../outbound/outbound-messages.ts';
import { SessionJournal } from './session-journal.ts';
import { restoreSession, toSnapshot } from './session-snapshot.ts';
import { createSessionState, type SessionState } from './session-state.ts';
import type { ClaimedSession, SessionStore } from './session-store.ts';

/** How sessions outlive their connections. */
export interface SessionOptions {
  /** Null: they are kept in this process alone. */
  readonly store: SessionStore | null;
  /** Longest life without a connection; clients that ask for more are told. */
  readonly expiryMaxMs: number;
  /**
   * Sessions without a connection that this endpoint keeps. Over it, the one that is longest without leaves: with a
   * store it goes on from there, without one it ends.
   */
  readonly detachedMax: number;
  /** Who leaves when the queue of a session is full: the message that comes, or the one that waits longest. */
  readonly dropPolicy: 'refuseNewest' | 'dropOldest';
  /** Milliseconds of the wall clock, by which lives are measured across processes. */
  readonly wallNow: () => number;
}

export interface KeeperOptions<Identity> {
  readonly host: EndpointHost<Identity>;
  readonly limits: EndpointLimits;
  readonly now: () => number;
  readonly observer: EndpointObserver;
  readonly sessions: SessionOptions | null;
}

/**
 * Sessions between their connections. For one key there is one state at most in this endpoint; it is either with the
 * connection that claimed it or here, and it is over when nothing may be sent to it any more.
 */
export class SessionKeeper<Identity> {
  readonly #options: KeeperOptions<Identity>;
  /** In the order in which they lost their connections. */
  readonly #detached = new Map<string, SessionState<Identity>>();
  #drained: Promise<void> = Promise.resolve();

  constructor(options: KeeperOptions<Identity>) {
    this.#options = options;
  }

  /** Life after the connection, as far as it is granted. */
  grantedExpiryMs(askedMs: number): number {
    return Math.min(askedMs, this.#options.sessions?.expiryMaxMs ?? 0);
  }

  *detached(): Iterable<DeviceSession<Identity>> {
    for (const { session } of this.#detached.values()) if (session !== null) yield session;
  }

  find(sessionKey: string): SessionState<Identity> | null {
    return this.#detached.get(sessionKey) ?? null;
  }

  /**
   * The session for a new connection. Its caller is the only claimer of this key at the moment, and gives it back with
   * `detach`.
   */
  async claim(sessionKey: string, cleanStart: boolean): Promise<{ state: SessionState<Identity>; isResumed: boolean }> {
    const own = this.find(sessionKey);
    const { isOwn, ...claimed } = await this.#claimStored(sessionKey, own);
    // It may have been ended while we asked for it, and then what is stored is out of date.
    let found = own !== null && own.isOver ? null : claimed.snapshot;
    if (own !== null && !own.isOver) {
      const cause = this.#whyNotResumed(own, isOwn, cleanStart);
      if (cause === null) return { state: this.#takeBack(own), isResumed: true };
      if (cause !== 'fenced') found = null;
      // The right to the stored session is the next state's now.
      own.hasRight = false;
      this.end(own, cause);
    }
    const state = this.#create(sessionKey, claimed.epoch);
    state.mayBeStored = claimed.previousEpoch !== null;
    if (cleanStart || found === null) {
      // Otherwise a crash before the first write of the new session would bring the old one back.
      if (state.mayBeStored) await this.#save(state);
      return { state, isResumed: false };
    }
    const isResumed = restoreSession(state, found, this.#elapsedMs(found.savedAtMs));
    state.storedEpoch = claimed.previousEpoch;
    this.#storeWhenKept(state);
    return { state, isResumed };
  }

  #whyNotResumed(own: SessionState<Identity>, isOwn: boolean, cleanStart: boolean): SessionEnd | null {
    if (!isOwn) return 'fenced';
    if (cleanStart) return 'cleanStart';
    return this.#isExpired(own, this.#options.now()) ? 'expired' : null;
  }

  /** The client has been told how long its session lives. */
  keepFor(state: SessionState<Identity>, expiryMs: number): void {
    state.expiryMs = expiryMs;
    this.#storeWhenKept(state);
    if (expiryMs > 0) state.journal.changed();
    else this.#remove(state);
  }

  /** The connection is gone. Answers the will if it is due now. */
  detach(
    state: SessionState<Identity>,
    will: { readonly message: WillMessage | null; readonly delayMs: number },
  ): WillMessage | null {
    state.onLost = null;
    state.session?.detached();
    if (state.isOver) return will.delayMs > 0 ? null : will.message;
    if (state.expiryMs === 0) {
      this.end(state, 'disconnected');
      return will.message;
    }
    const nowMs = this.#options.now();
    state.detachedAtMs = nowMs;
    state.outbound.detach();
    this.#detached.set(state.key, state);
    const delayed = will.message !== null && will.delayMs > 0 && this.#options.host.willDue !== undefined;
    if (delayed) state.will = { message: will.message, dueAtMs: nowMs + will.delayMs };
    state.journal.changed();
    this.#evict();
    return delayed ? null : will.message;
  }

  sweep(nowMs: number): void {
    for (const state of this.#detached.values()) {
      if (state.claiming !== null) continue;
      state.outbound.sweep(nowMs);
      if (state.will !== null && state.will.dueAtMs <= nowMs) this.#fireWill(state);
      if (this.#isExpired(state, nowMs)) this.end(state, 'expired');
    }
  }

  /** This endpoint stops: stored sessions go on elsewhere, the others are over. */
  drain(): Promise<void> {
    const states = [...this.#detached.values()];
    for (const state of states) this.end(state, 'drained');
    const written = states.map(({ journal }) => journal.idle());
    this.#drained = Promise.all([this.#drained, ...written]).then(() => undefined);
    return this.#drained;
  }

  /** Nothing more is sent, and every open send is settled. What is stored stays only where another may continue it. */
  end(state: SessionState<Identity>, cause: SessionEnd): void {
    if (state.isOver) return;
    state.isOver = true;
    if (this.#detached.get(state.key) === state) this.#detached.delete(state.key);
    const isStored = this.#options.sessions?.store != null;
    const continues = cause === 'fenced' || (isStored && (cause === 'drained' || cause === 'evicted'));
    // What is being written of a session that leaves for the store is still to be written.
    if (!continues || cause === 'fenced') state.journal.end();
    state.outbound.end(continues ? 'handedOver' : 'sessionEnded');
    if (cause === 'fenced') state.will = null;
    else this.#fireWill(state);
    if (!continues) this.#remove(state);
    if (state.detachedAtMs !== null) this.#options.observer.sessionEnded?.(cause);
  }

  async #claimStored(
    sessionKey: string,
    own: SessionState<Identity> | null,
  ): Promise<ClaimedSession & { readonly isOwn: boolean }> {
    const store = this.#options.sessions?.store ?? null;
    if (store === null) return { epoch: 0, previousEpoch: null, snapshot: null, isOwn: own !== null };
    if (own === null) return { ...(await store.claim(sessionKey)), isOwn: false };
    // What is being written decides whether the stored session is the one that we hold.
    await own.journal.idle();
    let done = (): void => undefined;
    own.claiming = new Promise((resolve) => {
      done = resolve;
    });
    try {
      const claimed = await store.claim(sessionKey);
      const isOwn = claimed.previousEpoch === own.storedEpoch;
      // The right moves on at once: a write that was refused meanwhile is repeated with the new one.
      if (isOwn) own.epoch = claimed.epoch;
      return { ...claimed, isOwn };
    } finally {
      own.claiming = null;
      done();
    }
  }

  #takeBack(state: SessionState<Identity>): SessionState<Identity> {
    this.#detached.delete(state.key);
    state.detachedAtMs = null;
    state.will = null;
    return state;
  }

  #create(sessionKey: string, epoch: number): SessionState<Identity> {
    const { now, observer, limits, sessions } = this.#options;
    const journal = new SessionJournal();
    const outbound = new OutboundMessages({
      now,
      journal,
      observer,
      queueMax: limits.outboundQueueMax,
      bytesMax: limits.outboundBytesMax,
      dropsOldest: sessions?.dropPolicy === 'dropOldest',
    });
    return createSessionState(sessionKey, epoch, { outbound, journal });
  }

  #storeWhenKept(state: SessionState<Identity>): void {
    const store = this.#options.sessions?.store ?? null;
    const isStored = store !== null && state.expiryMs > 0;
    state.journal.storeWith(isStored ? () => this.#save(state) : null);
  }

  async #save(state: SessionState<Identity>): Promise<void> {
    const { now, observer } = this.#options;
    const sessions = this.#options.sessions as SessionOptions;
    const store = sessions.store as SessionStore;
    state.mayBeStored = true;
    try {
      for (;;) {
        const { epoch } = state;
        const snapshot = toSnapshot(state, { nowMs: now(), wallNowMs: sessions.wallNow() });
        if ((await store.save(state.key, epoch, snapshot)) === 'saved') {
          state.storedEpoch = epoch;
          return;
        }
        if (state.claiming !== null) await state.claiming;
        if (state.epoch === epoch) break;
      }
    } catch (error) {
      observer.hostFailed?.('saveSession', error);
      state.onLost?.('notStored');
      throw error;
    }
    const lost = state.onLost;
    this.end(state, 'fenced');
    lost?.('fenced');
    throw new Error('the session is continued elsewhere');
  }

  #remove(state: SessionState<Identity>): void {
    if (!state.hasRight) return;
    state.hasRight = false;
    state.storedEpoch = null;
    if (!state.mayBeStored) return;
    this.#options.sessions?.store?.remove(state.key, state.epoch).catch((error: unknown) => {
      this.#options.observer.hostFailed?.('removeSession', error);
    });
  }

  #isExpired(state: SessionState<Identity>, nowMs: number): boolean {
    return state.detachedAtMs !== null && nowMs - state.detachedAtMs >= state.expiryMs;
  }

  #elapsedMs(sinceMs: number): number {
    return Math.max(0, (this.#options.sessions?.wallNow() ?? 0) - sinceMs);
  }

  #evict(): void {
    const max = this.#options.sessions?.detachedMax ?? 0;
    for (const oldest of this.#detached.values()) {
      if (this.#detached.size <= max) return;
      this.end(oldest, 'evicted');
    }
  }

  #fireWill(state: SessionState<Identity>): void {
    const { will, session } = state;
    state.will = null;
    if (will === null || session === null) return;
    try {
      this.#options.host.willDue?.(session, will.message);
    } catch (error) {
      this.#options.observer.hostFailed?.('willDue', error);
    }
  }
}

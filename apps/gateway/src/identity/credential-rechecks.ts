import { assert, type DeviceKey, type TenantId } from '@breakwater/twin';
import type { Session } from '@breakwater/mqtt-endpoint';
import type { Clock } from '@breakwater/twin-runtime';

import type { DeviceSession } from '../session/device-session.ts';
import type { SessionLifecycle } from '../session-lifecycle.ts';
import { endOf } from './credential.ts';
import type { DeviceAuthenticator } from './device-authenticator.ts';
import type { TrustMirror } from './trust-mirror.ts';

export interface CredentialRechecksOptions {
  readonly sessions: Pick<SessionLifecycle, 'keys' | 'find'>;
  readonly authenticator: Pick<DeviceAuthenticator, 'isStillGood'>;
  readonly trust: Pick<TrustMirror, 'stillTrusts'>;
  readonly clock: Clock;
  /** How many sessions are looked up in the registry in a second at most; 0: none. */
  readonly perSecond: number;
  readonly onTrouble: (detail: string) => void;
}

const BATCHES_PER_SECOND = 10;
/** A gateway with few devices asks for each of them no more often than this. */
const PASS_MS_MIN = 1_000;
/** How late a session may be closed whose credential ended by its own date. */
const EXPIRY_MS = 1_000;

/**
 * A device that lost its right is off, also if the notice of it got lost. Three things end a session here: the end of
 * its credential by its own date, a change of what its tenant trusts, and the registry, which is asked for every open
 * session in turn, pass after pass. Only the registry's own word counts; while it cannot be asked, everyone stays.
 */
export class CredentialRechecks {
  readonly #options: CredentialRechecksOptions;
  readonly #stopped = new AbortController();
  #started = false;
  #inTrouble = false;

  constructor(options: CredentialRechecksOptions) {
    this.#options = options;
  }

  start(): void {
    assert(!this.#started, 'the rechecks start once');
    this.#started = true;
    void this.#expirations();
    if (this.#options.perSecond > 0) void this.#passes();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Closes at once who was let in by something that these tenants do not trust any longer. */
  trustChanged(tenants: ReadonlySet<TenantId>): void {
    const { sessions, trust, clock } = this.#options;
    const nowMs = clock.nowMs();
    for (const key of sessions.keys()) {
      const session = sessions.find(key);
      if (session === undefined) continue;
      const { device, credential } = session.identity;
      if (!tenants.has(device.tenant)) continue;
      if (!trust.stillTrusts(device.tenant, credential, nowMs)) this.#close(session);
    }
  }

  async #expirations(): Promise<void> {
    const { sessions, clock } = this.#options;
    while (!this.#stopped.signal.aborted) {
      await clock.sleep(EXPIRY_MS, this.#stopped.signal);
      const nowMs = clock.nowMs();
      for (const key of sessions.keys()) {
        const session = sessions.find(key);
        if (session !== undefined && endOf(session.identity.credential) <= nowMs) this.#close(session);
      }
    }
  }

  async #passes(): Promise<void> {
    const { sessions, clock, perSecond } = this.#options;
    const batchSize = Math.max(1, Math.floor(perSecond / BATCHES_PER_SECOND));
    const pauseMs = (batchSize * 1_000) / perSecond;
    while (!this.#stopped.signal.aborted) {
      // Those that connect during the pass were just checked. To take them in would let a storm of reconnects keep the
      // pass from its end, and so from those that were here all the time.
      const keys = [...sessions.keys()];
      let pausedMs = 0;
      for (let at = 0; at < keys.length && !this.#stopped.signal.aborted; at += batchSize) {
        await Promise.all(keys.slice(at, at + batchSize).map((key) => this.#check(key)));
        await clock.sleep(pauseMs, this.#stopped.signal);
        pausedMs += pauseMs;
      }
      if (pausedMs < PASS_MS_MIN) await clock.sleep(PASS_MS_MIN - pausedMs, this.#stopped.signal);
    }
  }

  /** Never rejects. */
  async #check(key: DeviceKey): Promise<void> {
    const session = this.#options.sessions.find(key);
    if (session === undefined) return;
    try {
      const { device, credential } = session.identity;
      // The device may have another session by the time of the answer; it is this one that was asked for.
      if (!(await this.#options.authenticator.isStillGood(device, credential))) this.#close(session);
      this.#inTrouble = false;
    } catch (error) {
      // Once for each time that the registry is away, not for each session.
      if (!this.#inTrouble) this.#options.onTrouble(`devices are not checked again: ${messageOf(error)}`);
      this.#inTrouble = true;
    }
  }

  #close(session: Session<DeviceSession>): void {
    const reason = endOf(session.identity.credential) <= this.#options.clock.nowMs() ? 'credentialExpired' : 'revoked';
    session.close(reason);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

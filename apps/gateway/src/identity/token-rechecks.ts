import { assert, type DeviceKey } from '@breakwater/twin';
import type { Clock } from '@breakwater/twin-runtime';

import type { SessionLifecycle } from '../session-lifecycle.ts';
import type { DeviceAuthenticator } from './device-authenticator.ts';

export interface TokenRechecksOptions {
  readonly sessions: Pick<SessionLifecycle, 'keys' | 'find'>;
  readonly authenticator: Pick<DeviceAuthenticator, 'isStillGood'>;
  readonly clock: Clock;
  /** How many sessions are checked in a second at most; 0: none. */
  readonly perSecond: number;
  readonly onTrouble: (detail: string) => void;
}

const BATCHES_PER_SECOND = 10;
/** A gateway with few devices asks for each of them no more often than this. */
const PASS_MS_MIN = 1_000;

/**
 * A revoked device is off even if the notice of it got lost: pass after pass, every open session's token is looked up
 * again. Only the registry's own word closes a session; while it cannot be asked, everyone stays.
 */
export class TokenRechecks {
  readonly #options: TokenRechecksOptions;
  readonly #stopped = new AbortController();
  #started = false;
  #inTrouble = false;

  constructor(options: TokenRechecksOptions) {
    this.#options = options;
  }

  start(): void {
    assert(!this.#started, 'the rechecks start once');
    this.#started = true;
    if (this.#options.perSecond > 0) void this.#passes();
  }

  stop(): void {
    this.#stopped.abort();
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
      const { device, tokenHash } = session.identity;
      // The device may have another session by the time of the answer; it is this one whose token was asked for.
      if (!(await this.#options.authenticator.isStillGood(device, tokenHash))) session.close('revoked');
      this.#inTrouble = false;
    } catch (error) {
      // Once for each time that the registry is away, not for each session.
      if (!this.#inTrouble) this.#options.onTrouble(`tokens are not checked again: ${messageOf(error)}`);
      this.#inTrouble = true;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

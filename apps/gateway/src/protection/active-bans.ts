import { assert, type DeviceKey, splitDeviceKey } from '@breakwater/twin';
import { type Ban, type BanList, banIdOf, type Clock, type NewBan } from '@breakwater/twin-runtime';

export interface ActiveBansOptions {
  readonly bans: BanList;
  readonly clock: Clock;
  readonly pollMs: number;
  /** A ban is over before its time: what led to it is to be forgotten, or the next slip would renew it. */
  readonly onLifted: (ban: Ban) => void;
  readonly onTrouble: (detail: string) => void;
}

/** Bans that could not be written to the list yet. More are in force nowhere but here. */
const UNSENT_MAX = 1_000;

/**
 * The bans of all gateways, in memory: a CONNECT asks nobody. A ban of our own holds here at once and everywhere after
 * a poll; one that was lifted is gone after a poll. While the list cannot be read, the last bans that were read stand
 * until they end by themselves.
 */
export class ActiveBans {
  readonly #options: ActiveBansOptions;
  readonly #stopped = new AbortController();
  readonly #unsent = new Map<string, NewBan>();
  #version: string | null = null;
  #byId = new Map<string, Ban>();
  #byCredential = new Map<string, Ban>();
  #running: Promise<void> | null = null;
  #inTrouble = false;

  constructor(options: ActiveBansOptions) {
    this.#options = options;
  }

  /** Those in memory; one that has just ended may still be among them. */
  get size(): number {
    return this.#byId.size;
  }

  /** Settles when the bans of before are known, or cannot be had. */
  async start(): Promise<void> {
    assert(this.#running === null, 'the bans are followed once');
    await this.#sync();
    this.#running = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  ofDevice(key: DeviceKey): Ban | null {
    return this.#inForce(this.#byId.get(banIdOf({ kind: 'device', ...splitDeviceKey(key), credential: null })));
  }

  ofCredential(credential: string): Ban | null {
    return this.#inForce(this.#byCredential.get(credential));
  }

  ofAddress(address: string): Ban | null {
    return this.#inForce(this.#byId.get(banIdOf({ kind: 'address', address })));
  }

  /** Holds here from now on; the other gateways hear of it by the list. */
  add(ban: NewBan): void {
    const id = banIdOf(ban.subject);
    const sinceMs = this.#options.clock.nowMs();
    this.#byId.set(id, { id, ...ban, sinceMs, untilMs: sinceMs + ban.durationMs });
    this.#index();
    if (this.#unsent.size < UNSENT_MAX) this.#unsent.set(id, ban);
  }

  #inForce(ban: Ban | undefined): Ban | null {
    return ban !== undefined && ban.untilMs > this.#options.clock.nowMs() ? ban : null;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#options.clock.sleep(this.#options.pollMs, signal);
      await this.#sync();
    }
  }

  /** Writes first and reads then: a list that was read holds every ban of ours that was written. Never rejects. */
  async #sync(): Promise<void> {
    const { bans, onTrouble } = this.#options;
    try {
      for (const [id, ban] of this.#unsent) {
        // One that ended while the list was away would begin anew.
        if (this.#inForce(this.#byId.get(id)) !== null) await bans.put(ban);
        if (this.#unsent.get(id) === ban) this.#unsent.delete(id);
      }
      const snapshot = await bans.read(this.#version);
      if (snapshot !== null) this.#replace(snapshot.bans, snapshot.version);
      this.#inTrouble = false;
    } catch (error) {
      // Once for each time that the list is away, not for each poll.
      if (!this.#inTrouble)
        onTrouble(`bans are not followed: ${error instanceof Error ? error.message : String(error)}`);
      this.#inTrouble = true;
    }
  }

  #replace(read: readonly Ban[], version: string): void {
    const before = this.#byId;
    this.#version = version;
    this.#byId = new Map(read.map((ban) => [ban.id, ban]));
    for (const id of this.#unsent.keys()) {
      const ban = before.get(id);
      if (ban !== undefined) this.#byId.set(id, ban);
    }
    this.#index();
    const nowMs = this.#options.clock.nowMs();
    for (const ban of before.values()) {
      if (!this.#byId.has(ban.id) && ban.untilMs > nowMs) this.#options.onLifted(ban);
    }
  }

  #index(): void {
    this.#byCredential = new Map();
    for (const ban of this.#byId.values()) {
      if (ban.subject.kind === 'device' && ban.subject.credential !== null) {
        this.#byCredential.set(ban.subject.credential, ban);
      }
    }
  }
}

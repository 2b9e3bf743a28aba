import type { Authentication, CloseReason, Credentials } from '@breakwater/mqtt-endpoint';
import type { AuditEvent } from '@breakwater/observability';
import { type DeviceKey, deviceKey } from '@breakwater/twin';
import type { Ban, Clock, RegisteredDevice } from '@breakwater/twin-runtime';

import type { ActiveBans } from './active-bans.ts';
import { ConnectRate } from './connect-rate.ts';
import { presentedOf, type Presented } from './presented.ts';
import { RecencyMap } from './recency-map.ts';
import { RecentEvents } from './recent-events.ts';

export interface ConnectGuardSettings {
  readonly deviceConnectsPerMinuteMax: number;
  readonly addressConnectsPerMinuteMax: number;
  readonly authenticationFailuresMax: number;
  readonly authenticationBanMs: number;
  readonly flappingClosesMax: number;
  readonly flappingWindowMs: number;
  readonly flappingBanMs: number;
  readonly protectionKeysMax: number;
}

/** What is said of a security matter; the device's own fields are filled in by whoever knows it. */
export interface Notice {
  readonly clientId?: string;
  readonly remoteAddress?: string;
  readonly key?: DeviceKey;
  readonly detail?: string;
}

export interface ConnectGuardOptions extends ConnectGuardSettings {
  readonly bans: Pick<ActiveBans, 'add' | 'ofDevice' | 'ofCredential' | 'ofAddress'>;
  readonly clock: Clock;
  readonly notify: (event: AuditEvent, notice: Notice) => void;
}

/** A connection whose device is known, as far as the guard must know it. */
export interface GuardedDevice {
  readonly device: Pick<RegisteredDevice, 'tenant' | 'device'>;
  readonly key: DeviceKey;
}

type Refusal = Extract<Authentication<never>, { kind: 'refused' }>;

const MINUTE_MS = 60_000;
const ADDRESS_TOO_OFTEN = 'too many CONNECTs from this address';
const CREDENTIAL_TOO_OFTEN = 'too many CONNECTs with this credential';
const DEVICE_TOO_OFTEN = 'too many CONNECTs of this device';

/**
 * Ends that are the device's own doing. Those that we caused never count: takeover, drain, overload, a reader that we
 * gave up, a revoked token, an identity that the gateway lost. A fight of two clients for one identity is a chain of
 * takeovers, in which the ban would hit the rightful one: the connect rate holds it, and it is told.
 */
const OWN_DOING: ReadonlySet<CloseReason> = new Set(['connectionLost', 'protocolError', 'keepaliveTimeout']);

/**
 * Decides who may try to connect, in memory alone, and remembers how it went.
 *
 *     CONNECT ──▶ admit: bans of credential and address, failures, rates ──▶ look-up ──▶ admitDevice: ban, rate
 *                                                                               └──▶ failed: counts towards a ban
 *     closed ──▶ counts towards a ban
 *
 * An address may stand for a whole fleet. So one bad credential that comes again and again counts once towards the ban
 * of its address (its client id is held off there instead, while the failures last), and a credential that was good
 * here passes such a ban: what it ends is guessing.
 */
export class ConnectGuard {
  readonly #options: ConnectGuardOptions;
  readonly #deviceRate: ConnectRate;
  readonly #credentialRate: ConnectRate;
  readonly #addressRate: ConnectRate;
  readonly #addressFailures: RecentEvents;
  readonly #nameFailures: RecentEvents;
  readonly #closes: RecentEvents;
  readonly #takeovers: RecentEvents;
  readonly #goodCredentials: RecencyMap<true>;
  readonly #credentials = new WeakMap<GuardedDevice, string>();
  #isStopping = false;

  constructor(options: ConnectGuardOptions) {
    this.#options = options;
    const { deviceConnectsPerMinuteMax: perMinuteMax, protectionKeysMax: keysMax, flappingClosesMax } = options;
    this.#deviceRate = new ConnectRate({ perMinuteMax, keysMax });
    this.#credentialRate = new ConnectRate({ perMinuteMax, keysMax });
    this.#addressRate = new ConnectRate({ perMinuteMax: options.addressConnectsPerMinuteMax, keysMax });
    const failures = { countMax: options.authenticationFailuresMax, windowMs: MINUTE_MS, keysMax };
    this.#addressFailures = new RecentEvents(failures);
    this.#nameFailures = new RecentEvents(failures);
    const closes = { countMax: flappingClosesMax, windowMs: options.flappingWindowMs, keysMax };
    this.#closes = new RecentEvents(closes);
    this.#takeovers = new RecentEvents(closes);
    this.#goodCredentials = new RecencyMap(keysMax);
  }

  presented(credentials: Credentials): Presented {
    return presentedOf(credentials);
  }

  /** Null: the credential may be looked up. */
  admit(presented: Presented): Refusal | null {
    const { bans } = this.#options;
    const { address, credential } = presented;
    const nowMs = this.#options.clock.nowMs();
    const ban = credential === null ? null : bans.ofCredential(credential);
    if (ban !== null) return this.#banned(presented, ban);
    const isKnownGood = credential !== null && this.#goodCredentials.get(credential) === true;
    if (!isKnownGood) {
      const addressBan = bans.ofAddress(address);
      if (addressBan !== null) return this.#banned(presented, addressBan);
      if (presented.names().some((name) => this.#nameFailures.isOver(name, nowMs))) {
        return this.#tooOften(presented, 'too many failures under this client id or user name');
      }
    }
    if (address !== '' && !this.#addressRate.take(address, nowMs)) return this.#tooOften(presented, ADDRESS_TOO_OFTEN);
    if (credential !== null && !this.#credentialRate.take(credential, nowMs)) {
      return this.#tooOften(presented, CREDENTIAL_TOO_OFTEN);
    }
    return null;
  }

  /** Null: the device may open its session. */
  admitDevice(presented: Presented, device: GuardedDevice): Refusal | null {
    const { key } = device;
    const { credential } = presented;
    if (credential !== null) {
      this.#goodCredentials.set(credential, true);
      this.#credentials.set(device, credential);
    }
    const ban = this.#options.bans.ofDevice(key);
    if (ban !== null) return this.#banned(presented, ban, key);
    const mayConnect = this.#deviceRate.take(key, this.#options.clock.nowMs());
    return mayConnect ? null : this.#tooOften(presented, DEVICE_TOO_OFTEN, key);
  }

  /** No device has the credential. */
  failed(presented: Presented, detail?: string): void {
    const { authenticationBanMs: durationMs, clock, notify, bans } = this.#options;
    const { clientId, remoteAddress, address, credential, names } = presented;
    const nowMs = clock.nowMs();
    if (credential !== null) this.#goodCredentials.delete(credential);
    notify('authenticationFailed', { clientId, remoteAddress, ...(detail !== undefined && { detail }) });
    for (const name of names()) this.#nameFailures.add(name, nowMs);
    if (address === '' || !this.#addressFailures.add(address, nowMs, credential ?? '')) return;
    this.#addressFailures.forget(address);
    bans.add({ subject: { kind: 'address', address }, reason: 'authenticationFailures', durationMs });
    notify('addressBanned', { remoteAddress, detail: `${address} for ${durationMs} ms` });
  }

  /** The gateway stops: what ends from now on says nothing about the devices. */
  stop(): void {
    this.#isStopping = true;
  }

  closed(device: GuardedDevice, reason: CloseReason): void {
    if (this.#isStopping) return;
    const nowMs = this.#options.clock.nowMs();
    const { key } = device;
    if (reason === 'takenOver' && this.#takeovers.add(key, nowMs)) {
      this.#takeovers.forget(key);
      this.#options.notify('identityContested', { key, detail: `${this.#options.flappingClosesMax} takeovers` });
    }
    if (!OWN_DOING.has(reason) || !this.#closes.add(key, nowMs)) return;
    this.#closes.forget(key);
    const { flappingBanMs: durationMs, flappingClosesMax, bans, notify } = this.#options;
    const { tenant, device: id } = device.device;
    const credential = this.#credentials.get(device) ?? null;
    bans.add({ subject: { kind: 'device', tenant, device: id, credential }, reason: 'flapping', durationMs });
    notify('flapping', { key, detail: `${flappingClosesMax} closes, the last one ${reason}; for ${durationMs} ms` });
  }

  /** What led to a ban that was lifted is forgotten: the next slip is a first one. */
  lifted(ban: Ban): void {
    const { subject } = ban;
    if (subject.kind === 'address') this.#addressFailures.forget(subject.address);
    else this.#closes.forget(deviceKey(subject.tenant, subject.device));
  }

  #banned(presented: Presented, ban: Ban, key?: DeviceKey): Refusal {
    const subject = ban.subject.kind === 'device' ? 'the device' : 'the address';
    const detail = `${subject} is banned until ${new Date(ban.untilMs).toISOString()}: ${ban.reason}`;
    this.#tell('bannedRefused', presented, { detail, key });
    return { kind: 'refused', reason: 'banned', detail };
  }

  #tooOften(presented: Presented, detail: string, key?: DeviceKey): Refusal {
    this.#tell('connectRateExceeded', presented, { detail, key });
    return { kind: 'refused', reason: 'connectRateExceeded', detail };
  }

  #tell(event: AuditEvent, presented: Presented, more: { detail: string; key: DeviceKey | undefined }): void {
    const { clientId, remoteAddress } = presented;
    const { detail, key } = more;
    this.#options.notify(event, { clientId, remoteAddress, detail, ...(key !== undefined && { key }) });
  }
}

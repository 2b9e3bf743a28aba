import type { Authentication, CloseReason, Session } from '@breakwater/mqtt-endpoint';
import { type AuditEvent, type AuditFields, AuditLog, type Logger, type Metrics } from '@breakwater/observability';
import { type DeviceKey, splitDeviceKey } from '@breakwater/twin';
import type { BanList, Clock } from '@breakwater/twin-runtime';

import type { AuthenticationRefused } from '../identity/device-authenticator.ts';
import { ActiveBans } from './active-bans.ts';
import { ConnectGuard, type ConnectGuardSettings, type Notice } from './connect-guard.ts';
import type { Presented } from './presented.ts';

export interface ProtectionSettings extends ConnectGuardSettings {
  readonly bansPollMs: number;
  readonly auditLevel: 'info' | 'warn' | 'off';
  readonly auditLinesPerMinuteMax: number;
}

/** A connected device, as far as an audit line must know it. */
type KnownSession = Pick<Session<{ readonly key: DeviceKey }>, 'identity' | 'clientId' | 'remoteAddress'>;

/** A certificate names a device and proves nothing yet; without a right it is a matter of permission. */
const REASON_OF = {
  nothing: 'badCredentials',
  token: 'badCredentials',
  jwt: 'badCredentials',
  certificate: 'notAuthorized',
  clientId: 'clientIdInvalid',
} as const;

const EVENT_OF = {
  nothing: 'authenticationFailed',
  token: 'authenticationFailed',
  jwt: 'authenticationFailed',
  certificate: 'certificateRefused',
  clientId: 'clientIdOfAnotherDevice',
} as const satisfies Readonly<Record<AuthenticationRefused['by'], AuditEvent>>;

/**
 * Refusals that somebody who guesses gets. Not so what an honest fleet behind one address may run into together: tokens
 * that have expired, devices that are not registered yet, certificates, which nobody guesses.
 */
const GUESSES: ReadonlySet<string> = new Set(['CREDENTIALS_MISSING', 'DEVICE_TOKEN_UNKNOWN', 'JWT_INVALID']);

/** What the gateway does about those who mean it no good, or cannot do better: the guard, the bans, the audit log. */
export class Protection {
  readonly guard: ConnectGuard;
  readonly audit: AuditLog;
  readonly #bans: ActiveBans;

  constructor(options: {
    readonly settings: ProtectionSettings;
    readonly bans: BanList;
    readonly clock: Clock;
    readonly metrics: Metrics;
    readonly logger: Logger;
  }) {
    const { settings, bans, clock, metrics, logger } = options;
    this.audit = new AuditLog({ ...settings, logger, metrics });
    this.#bans = new ActiveBans({
      bans,
      clock,
      pollMs: settings.bansPollMs,
      onLifted: (ban) => this.guard.lifted(ban),
      onTrouble: (detail) => logger.warn(detail),
    });
    this.guard = new ConnectGuard({
      ...settings,
      bans: this.#bans,
      clock,
      notify: (event, notice) => this.audit.record(event, auditFieldsOf(notice)),
    });
  }

  get banCount(): number {
    return this.#bans.size;
  }

  start(): Promise<void> {
    return this.#bans.start();
  }

  /** Before the drain: what ends by it is not the devices' doing. */
  stopCounting(): void {
    this.guard.stop();
  }

  async stop(): Promise<void> {
    await this.#bans.stop();
    this.audit.close();
  }

  closed(session: Session<{ readonly key: DeviceKey } & Parameters<ConnectGuard['closed']>[0]>, reason: CloseReason) {
    this.guard.closed(session.identity, reason);
    if (reason === 'revoked') this.#record('sessionRevoked', session);
    if (reason === 'overRate') this.#record('publishRateExceeded', session);
  }

  /** What becomes of a CONNECT that was looked up in vain. Guesses alone count towards a ban. */
  refused(
    presented: Presented,
    { by, code, detail }: AuthenticationRefused,
  ): Extract<Authentication<never>, { kind: 'refused' }> {
    const { clientId, remoteAddress } = presented;
    const reason = { detail: `${code}: ${detail}` };
    if (GUESSES.has(code)) this.guard.failed(presented, reason.detail);
    else this.audit.record(EVENT_OF[by], { clientId, remoteAddress, ...reason });
    return { kind: 'refused', reason: REASON_OF[by], ...reason };
  }

  foreignTopic(event: 'foreignTopicPublished' | 'foreignTopicSubscribed', session: KnownSession, topic: string): void {
    this.#record(event, session, topic);
  }

  #record(event: AuditEvent, { identity, clientId, remoteAddress }: KnownSession, detail?: string): void {
    this.audit.record(event, {
      ...splitDeviceKey(identity.key),
      clientId,
      remoteAddress,
      ...(detail !== undefined && { detail }),
    });
  }
}

function auditFieldsOf({ key, ...others }: Notice): AuditFields {
  return key === undefined ? others : { ...others, ...splitDeviceKey(key) };
}

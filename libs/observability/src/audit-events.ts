/** `info` is what somebody did on purpose, `warn` what nobody should do. */
export type AuditLevel = 'info' | 'warn';

/**
 * Everything that the audit log speaks of. The names are a contract with whoever searches the lines, so an event is
 * added here and to docs/operations/audit.md, and never renamed.
 */
export const AUDIT_EVENTS = {
  /** No device has the credential that was presented. */
  authenticationFailed: 'warn',
  /** A client certificate that cannot be trusted: expired, of another CA, revoked. */
  certificateRefused: 'warn',
  /** A device presented the id of another device as its client id. */
  clientIdOfAnotherDevice: 'warn',
  /** A device published to a topic that is not its own. */
  foreignTopicPublished: 'warn',
  /** A device subscribed to a topic that is not its own. */
  foreignTopicSubscribed: 'warn',
  /** A device, a credential or an address connects more often than it may. */
  connectRateExceeded: 'warn',
  /** A device kept losing its connections and is banned for a while. */
  flapping: 'warn',
  /** Two clients with the identity of one device take its session from each other. */
  identityContested: 'warn',
  /** An address failed to authenticate too often and is banned for a while. */
  addressBanned: 'warn',
  /** Somebody who is banned tried to connect. */
  bannedRefused: 'warn',
  /** Somebody ended a ban before its time. */
  banLifted: 'info',
  /** A connection was closed because its credential is no longer good. */
  sessionRevoked: 'info',
  /** A connection was closed because it published more than it may for too long. */
  publishRateExceeded: 'warn',
  /** What a tenant trusts was changed: its certificate authority, its revocation list, its keys. */
  trustChanged: 'info',
} as const satisfies Readonly<Record<string, AuditLevel>>;

export type AuditEvent = keyof typeof AUDIT_EVENTS;

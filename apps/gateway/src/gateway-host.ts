import type {
  Authentication,
  CloseReason,
  Credentials,
  EndpointHost,
  InboundMessage,
  PublishAnswer,
  PublishOutcome,
  Session,
  WillMessage,
} from '@breakwater/mqtt-endpoint';
import { deviceKey } from '@breakwater/twin';
import type { Clock } from '@breakwater/twin-runtime';
import { partitionOf } from '@breakwater/wire';

import { type GatewayIntake, isGatewayTopic } from './children/gateway-intake.ts';
import type { MessageIntake } from './message-intake.ts';
import type { DeviceAuthenticator } from './identity/device-authenticator.ts';
import type { OverloadGuard } from './protection/overload-guard.ts';
import type { Protection } from './protection/protection.ts';
import type { TenantShares } from './protection/tenant-shares.ts';
import { DeviceSession } from './session/device-session.ts';
import { isGatewayFilter, isOwnFilter } from './session/own-filters.ts';
import type { SessionLifecycle } from './session-lifecycle.ts';

export interface GatewayHostOptions {
  readonly authenticator: DeviceAuthenticator;
  readonly protection: Protection;
  readonly tenantShares: TenantShares;
  readonly overload: Pick<OverloadGuard, 'refusal'>;
  readonly intake: MessageIntake;
  /** Of devices that speak for others. */
  readonly children: GatewayIntake;
  readonly sessions: SessionLifecycle;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly gatewayId: () => string | null;
}

/** What the MQTT engine asks of the product: who a client is, what it may do, and what becomes of its messages. */
export class GatewayHost implements EndpointHost<DeviceSession> {
  readonly #options: GatewayHostOptions;

  constructor(options: GatewayHostOptions) {
    this.#options = options;
  }

  async authenticate(credentials: Credentials): Promise<Authentication<DeviceSession>> {
    const { authenticator, overload, partitionCount, gatewayId } = this.#options;
    if (gatewayId() === null) {
      return { kind: 'refused', reason: 'serverUnavailable', detail: 'the gateway is taking a new identity' };
    }
    const overloaded = overload.refusal();
    if (overloaded !== null) return { kind: 'refused', reason: 'serverBusy', detail: overloaded };
    const { guard } = this.#options.protection;
    const presented = guard.presented(credentials);
    const refusal = guard.admit(presented);
    if (refusal !== null) return refusal;
    const found = await authenticator.authenticate(credentials);
    if (found.kind === 'notYet') {
      return { kind: 'refused', reason: 'serverUnavailable', detail: 'what tenants trust was not read yet' };
    }
    if (found.kind === 'refused') return this.#options.protection.refused(presented, found);
    const { device, credential } = found;
    const key = deviceKey(device.tenant, device.device);
    const partition = partitionOf(key, partitionCount);
    const tenantShare = this.#options.tenantShares.of(device.tenant);
    const identity = new DeviceSession({ device, key, partition, credential, tenantShare });
    const { sessionKey } = identity;
    const { rate: sharedRate } = tenantShare;
    return guard.admitDevice(presented, identity) ?? { kind: 'accepted', identity, sessionKey, sharedRate };
  }

  sessionOpened(session: Session<DeviceSession>): Promise<void> {
    return this.#options.sessions.open(session);
  }

  publish(
    session: Session<DeviceSession>,
    message: InboundMessage,
    answer: PublishAnswer,
  ): Promise<PublishOutcome> | null {
    const { intake, children } = this.#options;
    return isGatewayTopic(message.topic) ? children.take(session, message) : intake.take(session, message, answer);
  }

  released(session: Session<DeviceSession>, packetId: number): void {
    session.identity.memory.released(packetId, this.#options.clock.nowMs());
    this.#options.children.released(session, packetId);
  }

  letGo(session: Session<DeviceSession>, message: InboundMessage): void {
    this.#options.intake.letGo(session, message);
  }

  maySubscribe(session: Session<DeviceSession>, filter: string): boolean {
    const { device, profile } = session.identity.device;
    const isOwn = isOwnFilter(filter, device) || (profile.isGateway && isGatewayFilter(filter));
    if (!isOwn) this.#options.protection.foreignTopic('foreignTopicSubscribed', session, filter);
    return isOwn;
  }

  subscribed(session: Session<DeviceSession>, filters: readonly string[]): void {
    this.#options.sessions.subscribed(session, filters);
    this.#options.children.subscribed(session, filters);
  }

  sessionClosed(session: Session<DeviceSession>, reason: CloseReason, will: WillMessage | null): void {
    this.#options.protection.closed(session, reason);
    this.#options.children.closed(session, reason);
    this.#options.sessions.closed(session, reason, will);
  }

  willDue(session: Session<DeviceSession>, will: WillMessage): void {
    this.#options.sessions.willDue(session, will);
  }
}

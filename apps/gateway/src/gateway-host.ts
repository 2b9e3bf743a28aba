import type {
  Authentication,
  CloseReason,
  Credentials,
  EndpointHost,
  InboundMessage,
  PublishOutcome,
  Session,
  WillMessage,
} from '@breakwater/mqtt-endpoint';
import { deviceKey } from '@breakwater/twin';
import { partitionOf } from '@breakwater/wire';

import type { AppendBatcher } from './append/append-batcher.ts';
import type { MessageIntake } from './message-intake.ts';
import type { DeviceAuthenticator } from './identity/device-authenticator.ts';
import { DeviceSession } from './session/device-session.ts';
import { isOwnFilter } from './session/own-filters.ts';
import type { ResendMemories } from './session/resend-memory.ts';
import type { SessionLifecycle } from './session-lifecycle.ts';

export interface GatewayHostOptions {
  readonly authenticator: DeviceAuthenticator;
  readonly batcher: AppendBatcher;
  readonly intake: MessageIntake;
  readonly memories: ResendMemories;
  readonly sessions: SessionLifecycle;
  readonly partitionCount: number;
  readonly refuseConnectsBytes: number;
  readonly gatewayId: () => string | null;
}

/** What the MQTT engine asks of the product: who a client is, what it may do, and what becomes of its messages. */
export class GatewayHost implements EndpointHost<DeviceSession> {
  readonly #options: GatewayHostOptions;

  constructor(options: GatewayHostOptions) {
    this.#options = options;
  }

  async authenticate(credentials: Credentials): Promise<Authentication<DeviceSession>> {
    const { authenticator, batcher, refuseConnectsBytes, memories, partitionCount, gatewayId } = this.#options;
    if (gatewayId() === null) {
      return { kind: 'refused', reason: 'serverUnavailable', detail: 'the gateway is taking a new identity' };
    }
    if (batcher.bytes > refuseConnectsBytes) {
      return { kind: 'refused', reason: 'serverBusy', detail: 'too much waits for the event log' };
    }
    const found = await authenticator.authenticate(credentials);
    if (found.kind === 'badCredentials') {
      return { kind: 'refused', reason: 'badCredentials', detail: 'no device has this token' };
    }
    if (found.kind === 'clientIdTaken') {
      return { kind: 'refused', reason: 'clientIdInvalid', detail: 'the client id is the id of another device' };
    }
    const { device, tokenHash } = found;
    const key = deviceKey(device.tenant, device.device);
    const partition = partitionOf(key, partitionCount);
    const memory = memories.of(key, device.incarnation);
    const identity = new DeviceSession({ device, key, partition, tokenHash, memory });
    return { kind: 'accepted', identity, sessionKey: key };
  }

  sessionOpened(session: Session<DeviceSession>): Promise<void> {
    return this.#options.sessions.open(session);
  }

  publish(session: Session<DeviceSession>, message: InboundMessage): Promise<PublishOutcome> {
    return this.#options.intake.take(session, message);
  }

  maySubscribe(session: Session<DeviceSession>, filter: string): boolean {
    return isOwnFilter(filter, session.identity.device.device);
  }

  subscribed(session: Session<DeviceSession>, filters: readonly string[]): void {
    this.#options.sessions.subscribed(session, filters);
  }

  sessionClosed(session: Session<DeviceSession>, reason: CloseReason, will: WillMessage | null): void {
    this.#options.sessions.closed(session, reason, will);
  }
}

import type {
  Authentication,
  CloseReason,
  Credentials,
  EndpointHost,
  InboundMessage,
  PublishOutcome,
  Session,
  SubscriptionGrant,
  WillMessage,
} from '../endpoint-host.ts';
import type { SharedPublishRate } from '../inbound/shared-publish-rate.ts';

export interface Device {
  readonly name: string;
}

export interface HandedOver {
  readonly session: Session<Device>;
  readonly message: InboundMessage;
  settle(outcome: PublishOutcome): void;
  fail(error: Error): void;
}

/**
 * A host under the control of the test. The user name is the device; publishes stay open until the test settles them,
 * unless `storesAtOnce`.
 */
export class RecordingHost implements EndpointHost<Device> {
  readonly publishes: HandedOver[] = [];
  readonly opened: Session<Device>[] = [];
  readonly closed: { session: Session<Device>; reason: CloseReason; will: WillMessage | null }[] = [];
  readonly calls: string[] = [];
  readonly dueWills: string[] = [];
  readonly subscribedFilters: (readonly string[])[] = [];
  readonly grants: SubscriptionGrant[] = [];
  readonly releasedIds: number[] = [];
  storesAtOnce = false;
  /** What every client that connects from now on shares. */
  sharedRate: SharedPublishRate | null = null;
  refusal: Extract<Authentication<Device>, { kind: 'refused' }> | null = null;
  /** What `authenticate` and `sessionOpened` wait for. */
  authentication: Promise<void> = Promise.resolve();
  opening: Promise<void> = Promise.resolve();
  /** Called before anything else is done with a publish. */
  onPublish: (session: Session<Device>, message: InboundMessage) => void = () => undefined;
  maySubscribeTo: (filter: string) => boolean = () => true;

  async authenticate(credentials: Credentials): Promise<Authentication<Device>> {
    await this.authentication;
    if (this.refusal !== null) return this.refusal;
    const name = credentials.username ?? credentials.clientId;
    return { kind: 'accepted', identity: { name }, sessionKey: name, sharedRate: this.sharedRate };
  }

  async sessionOpened(session: Session<Device>): Promise<void> {
    this.calls.push(`opened ${session.identity.name} ${session.clientId}`);
    await this.opening;
    this.opened.push(session);
  }

  publish(session: Session<Device>, message: InboundMessage): Promise<PublishOutcome> {
    this.onPublish(session, message);
    if (this.storesAtOnce) {
      this.publishes.push({ session, message, settle: () => undefined, fail: () => undefined });
      return Promise.resolve({ kind: 'stored' });
    }
    return new Promise((resolve, reject) => {
      this.publishes.push({ session, message, settle: resolve, fail: reject });
    });
  }

  released(_session: Session<Device>, packetId: number): void {
    this.releasedIds.push(packetId);
  }

  maySubscribe(_session: Session<Device>, filter: string): boolean {
    return this.maySubscribeTo(filter);
  }

  subscribed(_session: Session<Device>, filters: readonly string[], grants: readonly SubscriptionGrant[]): void {
    this.grants.push(...grants);
    this.subscribedFilters.push(filters);
  }

  sessionClosed(session: Session<Device>, reason: CloseReason, will: WillMessage | null): void {
    this.calls.push(`closed ${session.identity.name} ${session.clientId} ${reason}`);
    this.closed.push({ session, reason, will });
  }

  willDue(_session: Session<Device>, will: WillMessage): void {
    this.dueWills.push(will.topic);
  }

  /** Publishes handed over that are not settled yet keep their place in this list. */
  publishAt(index: number): HandedOver {
    const handedOver = this.publishes[index];
    if (handedOver === undefined) throw new Error(`no publish ${index}: ${this.publishes.length} were handed over`);
    return handedOver;
  }
}

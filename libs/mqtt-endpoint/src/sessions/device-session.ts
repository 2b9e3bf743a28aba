import type { ConnectRequest } from '../connection/connect-request.ts';
import type {
  CloseReason,
  DeliveryOutcome,
  EndpointHost,
  EndpointLimits,
  OutboundMessage,
  ProtocolVersion,
  Session,
} from '../endpoint-host.ts';
import type { OutboundMessages } from '../outbound/outbound-messages.ts';
import type { SessionState } from './session-state.ts';
import { type FilterPolicy, Subscriptions } from './subscriptions.ts';

type FilterHost<Identity> = Pick<EndpointHost<Identity>, 'maySubscribe'>;

/** The host's view of one authenticated connection. With a session that goes on, `send` still reaches it later. */
export class DeviceSession<Identity> implements Session<Identity>, FilterPolicy {
  readonly identity: Identity;
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  readonly remoteAddress: string;
  readonly isResumed: boolean;
  readonly filters: Subscriptions;
  readonly outbound: OutboundMessages;
  readonly #host: FilterHost<Identity>;
  #close: ((reason: CloseReason) => void) | null;

  constructor(options: {
    identity: Identity;
    request: ConnectRequest;
    remoteAddress: string;
    state: SessionState<Identity>;
    isResumed: boolean;
    limits: EndpointLimits;
    host: FilterHost<Identity>;
    close: (reason: CloseReason) => void;
  }) {
    this.identity = options.identity;
    this.clientId = options.request.credentials.clientId;
    this.protocolVersion = options.request.version;
    this.remoteAddress = options.remoteAddress;
    this.isResumed = options.isResumed;
    this.outbound = options.state.outbound;
    this.filters = new Subscriptions({
      filters: options.state.filters,
      filtersMax: options.limits.subscriptionsMax,
      qosMax: options.limits.outboundQosMax ?? 1,
      version: options.request.version,
      policy: this,
    });
    this.#host = options.host;
    this.#close = options.close;
  }

  subscriptions(): ReadonlyMap<string, 0 | 1 | 2> {
    return this.filters.filters;
  }

  send(message: OutboundMessage): Promise<DeliveryOutcome> {
    return this.outbound.send(message);
  }

  close(reason: CloseReason): void {
    this.#close?.(reason);
  }

  maySubscribe(filter: string): boolean {
    return this.#host.maySubscribe(this, filter);
  }

  /** Its connection is over, and must not be kept in memory by a session that goes on. */
  detached(): void {
    this.#close = null;
  }
}

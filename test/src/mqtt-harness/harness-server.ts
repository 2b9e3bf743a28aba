import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import {
  createMqttEndpoint,
  type EndpointLimits,
  type MqttEndpoint,
  type SessionOptions,
} from '@breakwater/mqtt-endpoint';

import { FanOutHost } from './fan-out-host.ts';
import { SocketTransport } from './socket-transport.ts';
import { packetsIn, toSuiteProfile } from './suite-profile.ts';

const SWEEP_INTERVAL_MS = 50;
const DRAIN_TIMEOUT_MS = 1_000;
const LOOPBACK = '127.0.0.1';

/** Wide, because suites probe the protocol and not the limits of the product; small enough for a suite gone wild. */
export const HARNESS_LIMITS: EndpointLimits = {
  packetBytesMax: 1_048_576,
  connectTimeoutMs: 10_000,
  keepaliveSecondsMax: 65_535,
  connectionsMax: 1_000,
  receiveMax: 20,
  inboundBytesMax: 2_097_152,
  outboundQueueMax: 10_000,
  outboundBytesMax: 67_108_864,
  subscriptionsMax: 1_000,
  topicAliasMax: 10,
  publishesPerSecondMax: 1_000_000,
  outboundQosMax: 2,
};

const SESSIONS: SessionOptions = {
  store: null,
  // As long as an MQTT 5 client can ask for, so that none has to be told of less.
  expiryMaxMs: Number.POSITIVE_INFINITY,
  detachedMax: 1_000,
  dropPolicy: 'refuseNewest',
  wallNow: () => Date.now(),
};

export interface HarnessOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** `suite` answers byte by byte as mosquitto's own suite wants it, see `suite-profile.ts`. */
  readonly profile: 'engine' | 'suite';
  readonly limits?: Partial<EndpointLimits>;
  /** Changes what a connection says, packet by packet; made once per connection. It shows that a test would notice. */
  readonly plant?: () => (packet: Buffer) => readonly Buffer[];
}

/** The engine behind a TCP port on loopback, with a small broker for a host. For tests only. */
export class HarnessServer {
  readonly #endpoint: MqttEndpoint<string>;
  readonly #server: Server;
  readonly #options: HarnessOptions;
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: HarnessOptions) {
    this.#options = options;
    const now = (): number => performance.now();
    const limits = { ...HARNESS_LIMITS, ...options.limits };
    const host = new FanOutHost({ now, detached: () => this.#endpoint.detachedSessions() });
    this.#endpoint = createMqttEndpoint({ host, limits, now, sessions: SESSIONS });
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  /** Connections that are open now. */
  get connectionCount(): number {
    return this.#endpoint.connectionCount;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, LOOPBACK, resolve);
    });
    this.#sweep = setInterval(() => this.#endpoint.sweep(), SWEEP_INTERVAL_MS);
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#server.close(resolve);
    });
    await this.#endpoint.drain({ timeoutMs: DRAIN_TIMEOUT_MS });
    if (this.#sweep !== null) clearInterval(this.#sweep);
    await closed;
  }

  #serve(socket: Socket): void {
    const input = this.#endpoint.accept(new SocketTransport(socket, voiceOf(this.#options)));
    socket.on('data', (bytes) => input.receive(bytes));
    socket.on('drain', () => input.drained());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => input.transportClosed());
  }
}

/** What a connection says in the place of what the engine writes. */
function voiceOf({ profile, plant }: HarnessOptions): (bytes: Uint8Array) => Uint8Array {
  const planted = plant?.() ?? null;
  let isMqtt5: boolean | null = null;
  return (bytes) => {
    // CONNACK comes first, and only that of MQTT 5 has properties.
    isMqtt5 ??= (bytes[1] as number) > 2;
    const said = planted === null ? bytes : Buffer.concat(packetsIn(bytes).flatMap(planted));
    return profile === 'suite' && isMqtt5 ? toSuiteProfile(said) : said;
  };
}

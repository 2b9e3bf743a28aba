import { generate, type IConnectPacket, type Packet } from 'mqtt-packet';
import { type ConnectionInput, createMqttEndpoint, type MqttEndpoint } from '../endpoint.ts';
import type { EndpointLimits, ProtocolVersion } from '../endpoint-host.ts';
import type { SessionOptions } from '../sessions/session-keeper.ts';
import { MemoryTransport } from './memory-transport.ts';
import { type Device, RecordingHost } from './recording-host.ts';

const testLimits: EndpointLimits = {
  packetBytesMax: 4096,
  connectTimeoutMs: 10_000,
  keepaliveSecondsMax: 120,
  connectionsMax: 50,
  receiveMax: 20,
  inboundBytesMax: 65_536,
  outboundQueueMax: 100,
  outboundBytesMax: 1_048_576,
  subscriptionsMax: 8,
  topicAliasMax: 4,
  publishesPerSecondMax: 1_000_000,
};

/** A client in a test: it sends packets (or bytes) and reads what came back. */
export class TestClient {
  readonly transport = new MemoryTransport();
  readonly version: ProtocolVersion;
  readonly input: ConnectionInput;

  constructor(endpoint: MqttEndpoint<Device>, version: ProtocolVersion) {
    this.version = version;
    this.input = endpoint.accept(this.transport);
  }

  send(...packets: Packet[]): void {
    const bytes = packets.map((packet) => generate(packet, { protocolVersion: this.version }));
    this.input.receive(Buffer.concat(bytes));
  }

  sendBytes(...bytes: number[]): void {
    this.input.receive(Buffer.from(bytes));
  }

  publish(messageId: number, options: { qos?: 0 | 1 | 2; topic?: string; payload?: string; dup?: boolean } = {}): void {
    const { qos = 1, topic = 'telemetry', payload = `m${messageId}`, dup = false } = options;
    this.send({ cmd: 'publish', topic, payload, qos, dup, retain: false, ...(qos > 0 && { messageId }) });
  }

  received(): Packet[] {
    return this.transport.packets(this.version);
  }

  /** Packets received, in short: `puback 1`, `pubrec 2 0x97`, `disconnect 0x8e`, `pingresp`. */
  heard(): string[] {
    return this.received().map((packet) => {
      const code = 'reasonCode' in packet && packet.reasonCode ? ` 0x${packet.reasonCode.toString(16)}` : '';
      const id = packet.messageId === undefined ? '' : ` ${packet.messageId}`;
      return `${packet.cmd}${id}${code}`;
    });
  }
}

export interface Fixture {
  readonly host: RecordingHost;
  readonly endpoint: MqttEndpoint<Device>;
  readonly failures: unknown[];
  /** What the observer heard of sessions and of messages to clients. */
  readonly observed: readonly string[];
  /** The clock, which only the test moves. */
  advance(ms: number): void;
  client(version?: ProtocolVersion): TestClient;
  connect(options?: Partial<IConnectPacket>): Promise<TestClient>;
}

/** Sessions that outlive their connection, in this process alone. */
const keptSessions: SessionOptions = {
  store: null,
  expiryMaxMs: 3_600_000,
  detachedMax: 10,
  dropPolicy: 'refuseNewest',
  wallNow: () => 0,
};

export function createFixture(
  limits: Partial<EndpointLimits> = {},
  sessions: Partial<SessionOptions> | null = null,
): Fixture {
  let nowMs = 1_000;
  const observed: string[] = [];
  const host = new RecordingHost();
  const failures: unknown[] = [];
  const endpoint = createMqttEndpoint({
    host,
    limits: { ...testLimits, ...limits },
    now: () => nowMs,
    observer: {
      hostFailed: (_operation, error) => failures.push(error),
      readingStopped: (cause) => observed.push(`stopped by ${cause}`),
      connectionEnded: (reason, code) => {
        if (reason === 'overRate') observed.push(`ended ${reason} 0x${code?.toString(16)}`);
      },
      publishLetGo: (qos) => observed.push(`let go ${qos}`),
      sessionResumed: () => observed.push('resumed'),
      sessionEnded: (cause) => observed.push(`ended ${cause}`),
      sent: (qos, outcome) =>
        observed.push(`sent ${qos} ${outcome.kind === 'delivered' ? outcome.kind : outcome.reason}`),
    },
    ...(sessions !== null && { sessions: { ...keptSessions, wallNow: () => nowMs, ...sessions } }),
  });
  const client = (version: ProtocolVersion = 5): TestClient => new TestClient(endpoint, version);
  return {
    host,
    endpoint,
    observed,
    failures,
    advance: (ms) => {
      nowMs += ms;
    },
    client,
    connect: async (options = {}) => {
      const connected = client(options.protocolVersion ?? 5);
      connected.send(connectPacket(options));
      await settled();
      return connected;
    },
  };
}

export function connectPacket(options: Partial<IConnectPacket> = {}): IConnectPacket {
  const protocolVersion = options.protocolVersion ?? 5;
  const protocolId = protocolVersion === 3 ? 'MQIsdp' : 'MQTT';
  return { cmd: 'connect', clientId: 'd1', keepalive: 60, clean: true, ...options, protocolVersion, protocolId };
}

/** Lets promise reactions and the end-of-tick flush run; nothing in these tests waits for real time. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

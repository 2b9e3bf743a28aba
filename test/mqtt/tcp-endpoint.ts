import { type AddressInfo, createServer, type Server } from 'node:net';
import {
  type Authentication,
  createMqttEndpoint,
  type Credentials,
  type EndpointHost,
  type EndpointLimits,
  type InboundMessage,
  type MqttEndpoint,
  type PublishOutcome,
  type Session,
} from '@breakwater/mqtt-endpoint';

import { SocketTransport } from '../src/mqtt-harness/socket-transport.ts';

const SWEEP_INTERVAL_MS = 100;

const limits: EndpointLimits = {
  packetBytesMax: 131_072,
  connectTimeoutMs: 10_000,
  keepaliveSecondsMax: 1_200,
  connectionsMax: 1_000,
  receiveMax: 20,
  inboundBytesMax: 65_536,
  outboundQueueMax: 1_000,
  outboundBytesMax: 1_048_576,
  subscriptionsMax: 10,
  topicAliasMax: 10,
  publishesPerSecondMax: 100_000,
};

/** Stores every message on a later tick and keeps what it saw. The password "wrong" is refused. */
export class StoringHost implements EndpointHost<string> {
  readonly messages: InboundMessage[] = [];
  readonly ended: string[] = [];
  readonly wills: string[] = [];
  readonly subscribers: Session<string>[] = [];
  inProcess = 0;
  inProcessPeak = 0;

  authenticate({ clientId, password }: Credentials): Promise<Authentication<string>> {
    if (password !== null && Buffer.from(password).toString() === 'wrong') {
      return Promise.resolve({ kind: 'refused', reason: 'badCredentials', detail: 'wrong password' });
    }
    return Promise.resolve({ kind: 'accepted', identity: clientId, sessionKey: clientId });
  }

  sessionOpened(): Promise<void> {
    return Promise.resolve();
  }

  publish(_session: Session<string>, message: InboundMessage): Promise<PublishOutcome> {
    this.messages.push({ ...message, payload: Buffer.from(message.payload) });
    this.inProcess += 1;
    this.inProcessPeak = Math.max(this.inProcessPeak, this.inProcess);
    return new Promise((resolve) => {
      setImmediate(() => {
        this.inProcess -= 1;
        resolve(
          message.topic === 'refused'
            ? { kind: 'refused', reason: 'payloadFormatInvalid', detail: 'not wanted' }
            : { kind: 'stored' },
        );
      });
    });
  }

  maySubscribe(_session: Session<string>, filter: string): boolean {
    return !filter.startsWith('theirs');
  }

  subscribed(session: Session<string>): void {
    this.subscribers.push(session);
  }

  sessionClosed(session: Session<string>, reason: string, will: { topic: string } | null): void {
    this.ended.push(`${session.clientId} ${reason}`);
    if (will !== null) this.wills.push(will.topic);
  }
}

/** The engine behind a real TCP port on loopback, with a host that stores everything. */
export class TcpEndpoint {
  readonly host = new StoringHost();
  readonly endpoint: MqttEndpoint<string>;
  readonly #server: Server;
  readonly #sweep: NodeJS.Timeout;

  constructor() {
    this.endpoint = createMqttEndpoint({ host: this.host, limits, now: () => performance.now() });
    this.#server = createServer({ noDelay: true }, (socket) => {
      const input = this.endpoint.accept(new SocketTransport(socket));
      socket.on('data', (bytes) => input.receive(bytes));
      socket.on('drain', () => input.drained());
      socket.on('error', () => socket.destroy());
      socket.on('close', () => input.transportClosed());
    });
    this.#sweep = setInterval(() => this.endpoint.sweep(), SWEEP_INTERVAL_MS);
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await this.endpoint.drain({ timeoutMs: 1_000 });
    clearInterval(this.#sweep);
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

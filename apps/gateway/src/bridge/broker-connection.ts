import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet';

export interface BrokerConnectionOptions {
  /** `mqtt:` or `mqtts:`. */
  readonly url: URL;
  readonly username: string;
  readonly password: string;
  readonly clientId: string;
  readonly filter: string;
  readonly receiveMax: number;
  readonly packetBytesMax: number;
  readonly sessionExpirySeconds: number;
  readonly connectTimeoutMs: number;
  readonly keepaliveSeconds: number;
  readonly onReady: () => void;
  readonly onPublish: (publish: IPublishPacket) => void;
  /** Once, whoever ended it. */
  readonly onClosed: (cause: string) => void;
}

const VERSION = { protocolVersion: 5 } as const;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };
const REFUSED = 0x80;
const MS_PER_SECOND = 1_000;
const END_GRACE_MS = 500;

/**
 * One connection to another broker, as a subscriber with QoS 1. It is our own and not MQTT.js, which takes the next
 * message only when the one before is acknowledged: with a durable append in between that is some hundred a second.
 * Here as many are in process as the receive maximum allows, and whoever takes them says when each is acknowledged.
 */
export class BrokerConnection {
  readonly #options: BrokerConnectionOptions;
  readonly #socket: Socket;
  readonly #deadline: NodeJS.Timeout;
  #pings: NodeJS.Timeout | null = null;
  #isAwaitingPong = false;
  #isPaused = false;
  #isClosed = false;

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
    const { url, connectTimeoutMs } = options;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
    const isTls = url.protocol === 'mqtts:';
    // An address is no server name: the certificate is compared with the host either way.
    const names = isIP(host) === 0 ? { servername: host } : {};
    this.#socket = isTls ? connectTls({ host, port, ...names }) : connectTcp({ host, port, noDelay: true });
    this.#socket.once(isTls ? 'secureConnect' : 'connect', () => this.#hello());
    this.#socket.on('error', (error) => this.close(error.message));
    this.#socket.on('close', () => this.close('the connection was closed'));
    const parsing = parser(VERSION);
    parsing.on('packet', (packet: Packet) => this.#take(packet));
    parsing.on('error', (error: Error) => this.close(`what the broker sent is no MQTT: ${error.message}`));
    this.#socket.on('data', (bytes) => parsing.parse(bytes));
    this.#deadline = setTimeout(() => this.close('the broker did not answer in time'), connectTimeoutMs);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  acknowledge(packetId: number): void {
    this.#send({ cmd: 'puback', messageId: packetId, reasonCode: 0 });
  }

  /** Reads no more for a while. The broker's own answers wait with its messages. */
  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused || this.#isClosed) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Ends in order: the broker keeps the session. */
  end(): void {
    const { sessionExpirySeconds } = this.#options;
    this.#send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: sessionExpirySeconds } });
    this.#finish('ended');
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), END_GRACE_MS).unref();
  }

  close(cause: string): void {
    this.#finish(cause);
    this.#socket.destroy();
  }

  #finish(cause: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#deadline);
    if (this.#pings !== null) clearInterval(this.#pings);
    this.#options.onClosed(cause);
  }

  #hello(): void {
    const { clientId, username, password, keepaliveSeconds, sessionExpirySeconds } = this.#options;
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clean: false,
      clientId,
      keepalive: keepaliveSeconds,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password: Buffer.from(password) }),
      properties: {
        sessionExpiryInterval: sessionExpirySeconds,
        receiveMaximum: this.#options.receiveMax,
        maximumPacketSize: this.#options.packetBytesMax,
      },
    });
  }

  #take(packet: Packet): void {
    if (this.#isClosed) return;
    // Whatever comes says that the broker is there; its answer to a ping may wait behind messages that we did not read.
    this.#isAwaitingPong = false;
    switch (packet.cmd) {
      case 'publish':
        return this.#options.onPublish(packet);
      case 'connack':
        return this.#accepted(packet.reasonCode ?? packet.returnCode ?? 0);
      case 'suback':
        return this.#subscribed(Number(packet.granted[0] ?? REFUSED));
      case 'disconnect':
        return this.close(`the broker said goodbye with ${hex(packet.reasonCode ?? 0)}`);
      default:
    }
  }

  #accepted(code: number): void {
    if (code >= REFUSED) return this.close(`the broker refuses us with ${hex(code)}`);
    const subscription = { topic: this.#options.filter, qos: 1, nl: false, rap: true, rh: 2 } as const;
    this.#send({ cmd: 'subscribe', messageId: 1, subscriptions: [subscription] });
    this.#pings = setInterval(() => this.#ping(), (this.#options.keepaliveSeconds * MS_PER_SECOND) / 2);
  }

  #subscribed(code: number): void {
    if (code >= REFUSED) return this.close(`the broker refuses the filter with ${hex(code)}`);
    clearTimeout(this.#deadline);
    this.#options.onReady();
  }

  #ping(): void {
    // While we do not read, silence is our doing.
    if (this.#isAwaitingPong && !this.#isPaused) return this.close('the broker is silent');
    this.#isAwaitingPong = true;
    this.#send({ cmd: 'pingreq' });
  }

  #send(packet: Packet): void {
    if (!this.#isClosed) this.#socket.write(generate(packet, VERSION));
  }
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`;
}

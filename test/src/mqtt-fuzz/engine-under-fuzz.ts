import {
  createMqttEndpoint,
  type ConnectionInput,
  type EndpointLimits,
  type MqttEndpoint,
  type MqttEndpointOptions,
} from '@breakwater/mqtt-endpoint';
import { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

import { type FuzzCase, piecesOfAttack } from './fuzz-case.ts';
import { FuzzHost } from './fuzz-host.ts';
import { FuzzTransport } from './fuzz-transport.ts';
import { connect, packet, publish } from './packet-builder.ts';

/** Connections that stay open beside the newest one; the oldest is dropped for it. */
const OPEN_MAX = 32;
const NEIGHBOUR = 'neighbour';
const NEIGHBOUR_EVERY = 64;
const SWEEP_EVERY = 50;
const STEP_MS_MAX = 40;
/** Longer than any timer of the engine, any keepalive and any life of a session in a run. */
const LONG_AFTER_MS = 30 * 60_000;
/** No answer is as long as what it answers, but for the messages of the host and a few fixed ones. */
const ANSWER_BYTES_MAX = 32_768;
const EXPIRY_MAX_MS = 120_000;

/** Every option of the engine is in use, and its limits are low enough to be met. */
const LIMITS: EndpointLimits = {
  packetBytesMax: 131_072,
  connectTimeoutMs: 10_000,
  keepaliveSecondsMax: 1_200,
  connectionsMax: 1_000,
  receiveMax: 20,
  inboundBytesMax: 262_144,
  outboundQueueMax: 50,
  outboundBytesMax: 65_536,
  subscriptionsMax: 20,
  topicAliasMax: 10,
  publishesPerSecondMax: 100_000,
  outboundQosMax: 2,
  outboundTopicAliasMax: 4,
};

export type EndpointMaker = (options: MqttEndpointOptions<string>) => MqttEndpoint<string>;

/** A rule of the endpoint was broken. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

/** The engine with transports and a clock of our own, under one attack after the other. */
export class EngineUnderFuzz {
  readonly #host: FuzzHost;
  readonly #endpoint: MqttEndpoint<string>;
  readonly #random: SeededRandom;
  readonly #open: { readonly input: ConnectionInput; readonly transport: FuzzTransport }[] = [];
  readonly #heard: Buffer[] = [];
  #neighbour: ConnectionInput | null = null;
  #nowMs = 0;
  #cases = 0;
  #failure: string | null = null;

  constructor(seed: number, make: EndpointMaker = createMqttEndpoint) {
    this.#random = new SeededRandom(seed);
    this.#host = new FuzzHost(this.#random.fork(), NEIGHBOUR);
    this.#endpoint = make({
      host: this.#host,
      limits: LIMITS,
      now: () => this.#nowMs,
      observer: {
        hostFailed: (operation, error) => (this.#failure ??= `${operation} failed: ${String(error)}`),
      },
      sessions: {
        store: null,
        expiryMaxMs: EXPIRY_MAX_MS,
        detachedMax: 100,
        dropPolicy: 'dropOldest',
        wallNow: () => this.#nowMs,
      },
    });
  }

  async run(attack: FuzzCase): Promise<void> {
    const transport = new FuzzTransport({ reads: this.#random.chance(0.9), heard: null });
    const input = this.#endpoint.accept(transport);
    const connection = { input, transport };
    this.#open.push(connection);
    for (const bytes of attack.opening) input.receive(bytes);
    if (!attack.isHasty) await this.#settle();
    const writtenBefore = transport.bytesWritten;
    let received = 0;
    for (const bytes of piecesOfAttack(attack)) {
      // As a socket does: nothing comes once it is closed.
      if (transport.isEnded) break;
      received += bytes.length;
      input.receive(bytes);
    }
    await this.#settle();
    if (transport.bytesWritten - writtenBefore > received + ANSWER_BYTES_MAX) {
      this.#failure ??= `${received} bytes were answered with ${transport.bytesWritten - writtenBefore}`;
    }
    await this.#goOn();
    this.#failure ??= transport.complaint;
    if (this.#failure !== null) throw new FuzzFailure(this.#failure);
  }

  /** Everybody leaves, and time passes: then nothing may be left but the neighbour. */
  async end(): Promise<void> {
    await this.#meetNeighbour();
    for (const connection of this.#open.splice(0)) connection.input.transportClosed();
    for (let round = 0; round < 3; round += 1) {
      this.#host.answerAll();
      await this.#settle();
      this.#nowMs += LONG_AFTER_MS;
      this.#neighbour?.receive(packet(0xc0));
      this.#endpoint.sweep();
    }
    await this.#settle();
    const left = {
      connections: this.#endpoint.connectionCount,
      sessions: [...this.#endpoint.sessions()].length,
      detached: [...this.#endpoint.detachedSessions()].length,
      openAtHost: this.#host.sessionsOpen,
      sendsWithoutOutcome: this.#host.sendsOpen,
    };
    const expected = { connections: 1, sessions: 1, detached: 0, openAtHost: 1, sendsWithoutOutcome: 0 };
    if (JSON.stringify(left) !== JSON.stringify(expected)) throw new FuzzFailure(`left over: ${JSON.stringify(left)}`);
    if (this.#failure !== null) throw new FuzzFailure(this.#failure);
  }

  async #goOn(): Promise<void> {
    this.#cases += 1;
    this.#nowMs += this.#random.below(STEP_MS_MAX);
    if (this.#random.chance(0.3)) this.#host.answerAll();
    for (const connection of this.#open) {
      if (this.#random.chance(0.1)) {
        connection.transport.drained();
        connection.input.drained();
      }
    }
    const gone = this.#open.filter(({ transport }) => transport.isEnded);
    if (this.#open.length - gone.length > OPEN_MAX) gone.push(this.#open[0] as (typeof gone)[number]);
    for (const connection of new Set(gone)) {
      this.#open.splice(this.#open.indexOf(connection), 1);
      connection.input.transportClosed();
    }
    if (this.#cases % SWEEP_EVERY === 0) this.#endpoint.sweep();
    if (this.#cases % NEIGHBOUR_EVERY === 0) await this.#meetNeighbour();
  }

  /** A good client publishes, pings, and must be answered both. */
  async #meetNeighbour(): Promise<void> {
    if (this.#neighbour === null) {
      this.#neighbour = this.#endpoint.accept(new FuzzTransport({ reads: true, heard: this.#heard }));
      this.#neighbour.receive(connect(4, { clientId: NEIGHBOUR, username: NEIGHBOUR }));
      // The host lets the neighbour in at once, but for the answer to `sessionOpened`.
      for (let round = 0; round < 3; round += 1) {
        await this.#settle();
        this.#host.answerAll();
      }
      await this.#settle();
    }
    this.#heard.length = 0;
    this.#neighbour.receive(publish(4, { topic: 'v1/devices/me/telemetry', qos: 1, packetId: 7 }));
    this.#neighbour.receive(packet(0xc0));
    await this.#settle();
    const answers = this.#heard.map((bytes) => bytes.toString('hex')).sort();
    if (answers.join(' ') !== '40020007 d000') this.#failure ??= `the neighbour heard: ${answers.join(' ')}`;
  }

  /** Lets everything run that waits for no answer. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

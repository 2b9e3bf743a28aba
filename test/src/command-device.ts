import { connect, type Socket } from 'node:net';

import { generate, parser as createParser, type IPublishPacket, type Packet } from 'mqtt-packet';

/** From the first sight of a command to its answer; the device stops before the step that it is told to hold. */
export type DeviceStep = 'puback' | 'progress' | 'answer';

export interface CommandSight {
  readonly id: string;
  readonly method: string;
  readonly params: unknown;
  readonly packet: IPublishPacket;
}

export interface CommandAnswer {
  readonly topic: string;
  readonly payload: object;
  readonly correlationData?: Buffer;
}

export interface CommandDeviceOptions {
  readonly port: number;
  readonly token: string;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  readonly filters?: readonly string[];
  /** Seconds that its session outlives its connection; 0: none does. MQTT 5 only. */
  readonly sessionSeconds?: number;
  /** Is told of each sight, of repeated ones too. Answers the reason code of the PUBACK; null is no PUBACK at all. */
  readonly onSight?: (sight: CommandSight, device: CommandDevice) => number | null;
  readonly answer?: (sight: CommandSight) => CommandAnswer;
}

const COMMAND_FILTERS = ['v1/devices/me/commands/+/request'];
const COMMAND_TOPIC = /^v1\/devices\/[^/]+\/commands\/([^/]+)\/request$/;
const RECONNECT_MS = 250;
const KEEPALIVE_SECONDS = 60;
const PING_MS = 15_000;

/**
 * A device as the documents ask for one: it carries out each command id once, acknowledges what it is given again, and
 * sends its answer again until the platform acknowledges it. It speaks MQTT packet by packet, so that a test can stop
 * it between any two of them.
 */
export class CommandDevice {
  /** Every command that it was given, in order, with repetitions. */
  readonly sights: CommandSight[] = [];
  /** How often each command was really carried out. */
  readonly runs = new Map<string, number>();
  /** Whether it is connected, and listens. */
  isListening = false;
  readonly #options: CommandDeviceOptions;
  readonly #held = new Set<DeviceStep>();
  /** The steps that wait for their release, in order. */
  readonly #waiting: { readonly step: DeviceStep; readonly take: () => void }[] = [];
  readonly #unacknowledged = new Map<number, IPublishPacket>();
  readonly #answers = new Map<string, CommandAnswer>();
  #socket: Socket | null = null;
  #wanted = false;
  #packetId = 0;

  constructor(options: CommandDeviceOptions) {
    this.#options = options;
  }

  /** What it sent and the platform has not acknowledged. */
  get unacknowledged(): number {
    return this.#unacknowledged.size;
  }

  /** Connects, and again whenever the connection is lost. */
  start(): this {
    this.#wanted = true;
    if (this.#socket === null) this.#connect();
    return this;
  }

  /** The connection goes without a word. */
  stop(): void {
    this.#wanted = false;
    this.#socket?.destroy();
  }

  /** The connection is lost once; the device comes back. */
  drop(): void {
    this.#socket?.destroy();
  }

  hold(step: DeviceStep): this {
    this.#held.add(step);
    return this;
  }

  release(): void {
    this.#held.clear();
    for (const { take } of this.#waiting.splice(0)) take();
  }

  publish(topic: string, payload: object, properties: IPublishPacket['properties'] = {}): void {
    this.#packetId = (this.#packetId % 65_535) + 1;
    const packet: IPublishPacket = {
      cmd: 'publish',
      topic,
      payload: JSON.stringify(payload),
      qos: 1,
      dup: false,
      retain: false,
      messageId: this.#packetId,
      ...(this.#options.protocolVersion === 5 ? { properties } : {}),
    };
    this.#unacknowledged.set(this.#packetId, packet);
    this.#send(packet);
  }

  /** Sends the answer of a command once more. */
  answerAgain(id: string): void {
    const answer = this.#answers.get(id);
    if (answer !== undefined) this.#sendAnswer(answer);
  }

  #connect(): void {
    const { port, protocolVersion } = this.#options;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    const parser = createParser({ protocolVersion });
    parser.on('packet', (packet: Packet) => this.#receive(packet));
    parser.on('error', () => socket.destroy());
    socket.on('data', (bytes) => parser.parse(bytes));
    // Its end follows, and with it the next attempt.
    socket.on('error', () => undefined);
    socket.on('connect', () => this.#sendConnect());
    const pings = setInterval(() => this.isListening && this.#send({ cmd: 'pingreq' }), PING_MS);
    socket.on('close', () => {
      clearInterval(pings);
      this.isListening = false;
      this.#socket = null;
      // A PUBACK belongs to its connection; what it had begun to carry out goes on.
      const pubacks = this.#waiting.filter(({ step }) => step === 'puback');
      for (const waiting of pubacks) this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      if (this.#wanted) setTimeout(() => this.#wanted && this.#socket === null && this.#connect(), RECONNECT_MS);
    });
  }

  #sendConnect(): void {
    const { clientId, token, protocolVersion, sessionSeconds = 0 } = this.#options;
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion,
      clean: sessionSeconds === 0,
      clientId,
      username: token,
      keepalive: KEEPALIVE_SECONDS,
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: sessionSeconds } } : {}),
    });
  }

  #receive(packet: Packet): void {
    switch (packet.cmd) {
      case 'connack':
        if ((packet.returnCode ?? packet.reasonCode ?? 0) !== 0) this.#socket?.destroy();
        else this.#greeted();
        return;
      case 'suback':
        this.isListening = true;
        return;
      case 'puback':
        if (packet.messageId !== undefined) this.#unacknowledged.delete(packet.messageId);
        return;
      case 'publish':
        this.#published(packet);
        return;
      default:
    }
  }

  #greeted(): void {
    const filters = this.#options.filters ?? COMMAND_FILTERS;
    // A packet id of its own: those of its messages stay theirs until they are acknowledged.
    this.#packetId = (this.#packetId % 65_535) + 1;
    const messageId = this.#packetId;
    this.#send({
      cmd: 'subscribe',
      messageId,
      subscriptions: filters.map((topic) => ({ topic, qos: 1 as const, nl: false, rap: false, rh: 0 })),
    });
    for (const packet of this.#unacknowledged.values()) this.#send({ ...packet, dup: true });
  }

  #published(packet: IPublishPacket): void {
    const sight = sightOf(packet);
    if (sight === null) {
      this.#acknowledge(packet, 0);
      return;
    }
    this.sights.push(sight);
    const reasonCode = (this.#options.onSight ?? (() => 0))(sight, this);
    if (reasonCode === null) return;
    this.#step('puback', () => {
      this.#acknowledge(packet, reasonCode);
      if (reasonCode < 0x80) this.#carryOut(sight);
    });
  }

  #carryOut(sight: CommandSight): void {
    const { id } = sight;
    if (this.runs.has(id)) {
      this.answerAgain(id);
      return;
    }
    this.runs.set(id, 1);
    this.#step('progress', () => {
      if (COMMAND_TOPIC.test(sight.packet.topic)) {
        this.publish(`v1/devices/me/commands/${id}/progress`, { percent: 50, note: 'half way' });
      }
      this.#step('answer', () => {
        const answer = (this.#options.answer ?? succeeded)(sight);
        this.#answers.set(id, answer);
        this.#sendAnswer(answer);
      });
    });
  }

  #sendAnswer({ topic, payload, correlationData }: CommandAnswer): void {
    this.publish(topic, payload, correlationData === undefined ? {} : { correlationData });
  }

  #step(step: DeviceStep, take: () => void): void {
    if (this.#held.has(step)) this.#waiting.push({ step, take });
    else take();
  }

  #acknowledge({ messageId, qos }: IPublishPacket, reasonCode: number): void {
    if (qos === 1 && messageId !== undefined) this.#send({ cmd: 'puback', messageId, reasonCode });
  }

  #send(packet: Packet): void {
    const { protocolVersion } = this.#options;
    if (this.#socket?.writable === true) this.#socket.write(generate(packet, { protocolVersion }));
  }
}

function sightOf(packet: IPublishPacket): CommandSight | null {
  const { method, params, data } = JSON.parse(packet.payload.toString()) as {
    readonly method?: string;
    readonly params?: unknown;
    readonly data?: { readonly id: number; readonly method: string; readonly params: unknown };
  };
  // A gateway device is given the requests of its children, by number.
  if (data !== undefined) return { id: String(data.id), method: data.method, params: data.params, packet };
  if (method === undefined) return null;
  const id = COMMAND_TOPIC.exec(packet.topic)?.[1] ?? packet.topic.slice(packet.topic.lastIndexOf('/') + 1);
  return { id, method, params, packet };
}

/** With MQTT 5 the request says where its answer goes. */
function succeeded({ id, method, packet }: CommandSight): CommandAnswer {
  const { responseTopic, correlationData } = packet.properties ?? {};
  return {
    topic: responseTopic ?? `v1/devices/me/commands/${id}/response`,
    payload: { status: 'SUCCEEDED', result: { did: method } },
    ...(correlationData === undefined ? {} : { correlationData }),
  };
}

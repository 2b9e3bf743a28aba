import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';

import { packetLine, RICH_PROPERTIES } from './packet-line.ts';
import { FAULTY_PACKETS, type FaultyPacket, type SessionScript, type Step, type Topic } from './session-script.ts';
import { WireClient } from './wire-client.ts';

const KEEPALIVE_SECONDS = 600;
/** The life of a session, longer than any script, or so short that an `expire` step outlives it. */
const LONG_SECONDS = 3_600;
const SHORT_SECONDS = 10;
export const OLDER_CLOSED = 'the older connection is closed';
/** A packet id that nothing ever has. */
const NO_SUCH_ID = 60_000;
const DISCONNECT_WITH_WILL = 0x04;
const REFUSED = 0x80;

/** A message of the server that the device has not finished with. */
interface Received {
  readonly packetId: number;
  readonly qos: 1 | 2;
  readonly payload: string;
  isReleased: boolean;
}

/**
 * The device under test: it knows what a client knows of its session, so that a script can speak of "the second open
 * message". What it hears is kept in lines; packet ids of the server's are checked here and not compared, because
 * any free id will do.
 */
export class ScriptedDevice {
  readonly #options: { readonly port: number; readonly prefix: string; readonly script: SessionScript };
  readonly #expires: boolean;
  #client: WireClient | null = null;
  #heard: string[] = [];
  #open: Received[] = [];
  /** QoS 2 messages of its own that it has not released, by packet id. */
  readonly #unreleased = new Map<number, string>();
  /** Of them, those that were sent a second time. */
  readonly #repeated = new Set<number>();
  readonly #unanswered = new Set<number>();
  #isWelcome = false;
  #lasts = false;
  #hasAlias = false;
  #published = 0;

  constructor(options: { port: number; prefix: string; script: SessionScript; expires: boolean }) {
    this.#options = options;
    this.#expires = options.expires;
  }

  get isConnected(): boolean {
    return this.#client !== null && !this.#client.isClosed;
  }

  get openCount(): number {
    return this.#open.length;
  }

  /** QoS 2 messages of its own that are waiting to be released. */
  get unreleasedIds(): readonly number[] {
    return [...this.#unreleased.keys()];
  }

  takeHeard(): string[] {
    const heard = this.#heard;
    this.#heard = [];
    if (this.#client?.isClosed !== true) return heard;
    this.#client = null;
    return [...heard, 'closed'];
  }

  async connect({ clean, keeps, will, delaysWill }: Extract<Step, { kind: 'connect' }>): Promise<void> {
    const { port, prefix, script } = this.#options;
    const { version } = script;
    // Before version 5 one flag says both.
    const startsClean = clean || (version !== 5 && !keeps);
    const previous = this.#client;
    // MQTT 3.1 has no session present that would tell.
    if (startsClean || (version === 3 && !this.#lasts)) this.#forget();
    this.#lasts = !startsClean;
    this.#isWelcome = false;
    this.#hasAlias = false;
    const client: WireClient = new WireClient({
      port,
      version,
      // What the older connection still hears is told apart by its name.
      onPacket: (packet) => (this.#client === client ? this.#take(packet) : this.#overhear(packet)),
    });
    this.#client = client;
    const connect: IConnectPacket = {
      cmd: 'connect',
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: version,
      clientId: prefix.replaceAll('/', ''),
      clean: startsClean,
      keepalive: KEEPALIVE_SECONDS,
      ...(version === 5 && {
        properties: keeps ? { sessionExpiryInterval: this.#expires ? SHORT_SECONDS : LONG_SECONDS } : {},
      }),
      ...(will !== null && {
        will: {
          topic: `${prefix}up/will`,
          payload: Buffer.from(`will${this.#published}`),
          qos: will,
          retain: false,
          // With a session that ends with its connection the two servers differ, see `known-differences.ts`.
          ...(delaysWill &&
            keeps &&
            version === 5 &&
            this.#expires && { properties: { willDelayInterval: SHORT_SECONDS } }),
        },
      }),
    };
    client.send(connect);
    await client.until('CONNACK', () => this.#isWelcome);
    if (previous !== null) await previous.closed();
    await client.ping();
    // Last, because when it is closed among what the newer one hears is chance.
    if (previous !== null) this.#heard.push(OLDER_CLOSED);
  }

  async disconnect(how: 'normal' | 'withWill' | 'forget'): Promise<void> {
    const isV5 = this.#options.script.version === 5;
    const properties = how === 'forget' ? { properties: { sessionExpiryInterval: 0 } } : {};
    this.#client?.send({
      cmd: 'disconnect',
      ...(isV5 && { reasonCode: how === 'withWill' ? DISCONNECT_WITH_WILL : 0, ...properties }),
    });
    await this.#client?.closed();
  }

  async drop(): Promise<void> {
    await this.#client?.hangUp();
  }

  async publish({ qos, packetId, aliased, rich }: Extract<Step, { kind: 'publish' }>): Promise<void> {
    const client = this.#client as WireClient;
    const isAgain = this.#unreleased.has(packetId);
    // A packet id belongs to one message at a time, and mosquitto takes a message twice at most.
    if (isAgain && (qos !== 2 || this.#repeated.has(packetId))) return;
    if (isAgain) this.#repeated.add(packetId);
    const payload = this.#unreleased.get(packetId) ?? `up${this.#published++}`;
    const publish = { cmd: 'publish', payload, retain: false, ...this.#headOf({ aliased, rich }) } as const;
    if (qos === 0) client.send({ ...publish, qos, dup: false });
    else {
      client.send({ ...publish, qos, dup: isAgain, messageId: packetId } satisfies IPublishPacket);
      if (qos === 2) this.#unreleased.set(packetId, payload);
      this.#unanswered.add(packetId);
      await client.until('the acknowledgement', () => !this.#unanswered.has(packetId));
    }
    await client.ping();
  }

  /** With an alias the topic itself goes with the first message of a connection only. */
  #headOf({ aliased, rich }: { aliased: boolean; rich: boolean }): Pick<IPublishPacket, 'topic' | 'properties'> {
    const topic = `${this.#options.prefix}up/x`;
    if (this.#options.script.version !== 5) return { topic };
    const isKnown = aliased && this.#hasAlias;
    this.#hasAlias ||= aliased;
    return {
      topic: isKnown ? '' : topic,
      properties: { ...(aliased && { topicAlias: 1 }), ...(rich && RICH_PROPERTIES) },
    };
  }

  async release(packetId: number): Promise<void> {
    this.#unreleased.delete(packetId);
    this.#repeated.delete(packetId);
    this.#client?.send({ cmd: 'pubrel', messageId: packetId });
    await this.#client?.ping();
  }

  async answer(which: number, how: 'rightly' | 'refusing' | 'wrongly'): Promise<void> {
    const message = this.#open[which % Math.max(1, this.#open.length)];
    if (message === undefined) return;
    const { packetId: messageId, qos, isReleased } = message;
    // What breaks the protocol, whatever the state of the message is.
    if (how === 'wrongly') this.#client?.send({ cmd: qos === 1 ? 'pubcomp' : 'puback', messageId });
    else if (qos === 2 && !isReleased && (how === 'rightly' || this.#options.script.version !== 5)) {
      message.isReleased = true;
      this.#client?.send({ cmd: 'pubrec', messageId });
    } else {
      this.#open = this.#open.filter((other) => other !== message);
      const cmd = qos === 1 ? 'puback' : isReleased ? 'pubcomp' : 'pubrec';
      const refuses = how === 'refusing' && this.#options.script.version === 5 && cmd !== 'pubcomp';
      this.#client?.send({ cmd, messageId, ...(refuses && { reasonCode: REFUSED }) });
    }
    await this.#client?.ping();
  }

  async answerNothing(cmd: 'puback' | 'pubrec' | 'pubcomp'): Promise<void> {
    this.#client?.send({ cmd, messageId: NO_SUCH_ID });
    await this.#client?.ping();
  }

  async subscribe(filters: readonly { topic: Topic; qos: 0 | 1 | 2 }[]): Promise<void> {
    const { prefix } = this.#options;
    const subscriptions = filters.map(({ topic, qos }) => ({ topic: `${prefix}down/${topic}`, qos }));
    this.#client?.send({ cmd: 'subscribe', messageId: 9, subscriptions });
    await this.#client?.ping();
  }

  async unsubscribe(topics: readonly Topic[]): Promise<void> {
    const unsubscriptions = topics.map((topic) => `${this.#options.prefix}down/${topic}`);
    this.#client?.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions });
    await this.#client?.ping();
  }

  async sendFaulty(fault: FaultyPacket): Promise<void> {
    const { first, head, tail } = FAULTY_PACKETS[fault];
    const properties = tail !== null && this.#options.script.version === 5 ? '00' : '';
    const body = Buffer.from(head + properties + (tail ?? ''), 'hex');
    this.#client?.sendBytes(Buffer.concat([Buffer.from([first, body.length]), body]));
    await this.#client?.ping();
  }

  ping(): Promise<void> {
    return this.#client?.ping() ?? Promise.resolve();
  }

  stop(): void {
    this.#client?.destroy();
  }

  #forget(): void {
    this.#open = [];
    this.#unreleased.clear();
    this.#repeated.clear();
  }

  #overhear(packet: Packet): void {
    this.#heard.push(`the older connection hears ${packetLine(packet, this.#options.prefix)}`);
  }

  #take(packet: Packet): void {
    const line = packetLine(packet, this.#options.prefix);
    if (packet.cmd === 'publish' && packet.qos !== 0) this.#heard.push(this.#receive(packet, line));
    else this.#heard.push(line);
    switch (packet.cmd) {
      case 'connack':
        this.#isWelcome = true;
        if (!packet.sessionPresent && this.#options.script.version !== 3) this.#forget();
        break;
      case 'puback':
      case 'pubrec':
        this.#unanswered.delete(packet.messageId as number);
        break;
      default:
    }
  }

  /** The line of a message, with its packet id replaced by what is right or wrong about it. */
  #receive(packet: IPublishPacket, line: string): string {
    const packetId = packet.messageId as number;
    const payload = packet.payload.toString();
    const known = this.#open.find((message) => message.packetId === packetId);
    const hadIt = this.#open.some((message) => message.payload === payload);
    if (known === undefined) {
      this.#open.push({ packetId, qos: packet.qos as 1 | 2, payload, isReleased: false });
    }
    const verdict =
      known === undefined ? (hadIt ? 'NEWID' : 'freshid') : known.payload === payload ? 'sameid' : 'USEDID';
    return line.replace(`id${packetId}`, verdict);
  }
}

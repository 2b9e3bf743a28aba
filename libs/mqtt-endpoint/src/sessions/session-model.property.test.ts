import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DeliveryOutcome } from '../endpoint-host.ts';
import { createMemorySessionStore } from '../testing/memory-session-store.ts';
import { createFixture, settled, type TestClient } from '../testing/endpoint-fixture.ts';

/**
 * Sessions against a small model: one device that connects, now here, now at a second endpoint with the same store.
 * It starts clean or not, with a receive maximum or without, is cut off, publishes, acknowledges rightly and wrongly,
 * subscribes, and lets its session expire. How mosquitto takes such commands is compared in test/mqtt.
 */
const EXPIRY_SECONDS = 100;
const MESSAGE_SECONDS = 30;

type Command =
  | {
      readonly kind: 'connect';
      readonly clean: boolean;
      readonly keeps: boolean;
      readonly endpoint: 0 | 1;
      readonly receiveMax: number | null;
    }
  | { readonly kind: 'send'; readonly qos: 0 | 1 | 2; readonly expires: boolean }
  | { readonly kind: 'answer'; readonly which: number; readonly rightly: boolean }
  | { readonly kind: 'publish'; readonly packetId: number }
  | { readonly kind: 'release'; readonly packetId: number }
  | { readonly kind: 'subscribe' | 'unsubscribe'; readonly filter: string }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'drop' };

const flag = fc.boolean();
const packetId = fc.integer({ min: 1, max: 3 });
const filter = fc.constantFrom('a', 'b', '__proto__');
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('connect' as const),
      clean: fc.integer({ min: 0, max: 4 }).map((roll) => roll === 0),
      keeps: fc.integer({ min: 0, max: 4 }).map((roll) => roll !== 0),
      endpoint: fc.constantFrom(0 as const, 1 as const),
      receiveMax: fc.option(fc.integer({ min: 1, max: 3 })),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      expires: flag,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which: fc.nat({ max: 5 }),
      rightly: fc.integer({ min: 0, max: 9 }).map((roll) => roll !== 0),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('publish' as const), packetId }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), packetId }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('subscribe' as const, 'unsubscribe' as const), filter }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drop' as const) }) },
);

interface ModelMessage {
  readonly name: string;
  readonly qos: 0 | 1 | 2;
  readonly expiresAtS: number;
  readonly outcomes: DeliveryOutcome[];
  /** The endpoint that was asked to send it and so owes the outcome. */
  readonly owner: 0 | 1;
  state: 'waiting' | 'sent' | 'released';
  packetId: number;
  /** It was in flight on an older connection, and its turn on this one is to come. */
  isToResend: boolean;
  /** It takes a place in the receive maximum of this connection. */
  isOnWire: boolean;
}

/** What the device knows of its session, and what the server must know too. */
class Reference {
  readonly filters = new Set<string>();
  readonly unreleased = new Set<number>();
  messages: ModelMessage[] = [];
  lastPacketId = 0;
  receiveMax = Number.POSITIVE_INFINITY;

  forgetExpired(nowS: number): void {
    this.messages = this.messages.filter((message) => message.state === 'released' || message.expiresAtS > nowS);
  }

  forgetWaiting(nowS: number): void {
    this.messages = this.messages.filter(({ state, expiresAtS }) => state !== 'waiting' || expiresAtS > nowS);
  }

  /** The client is back: what is in flight is to be sent again. */
  attach(receiveMax: number | null): void {
    this.receiveMax = receiveMax ?? Number.POSITIVE_INFINITY;
    // What waited with QoS 0 was lost with the older connection.
    const waiting = this.messages.filter((message) => !isInFlight(message) && message.qos > 0);
    this.messages = [...this.messages.filter(isInFlight), ...waiting];
    for (const message of this.messages) {
      message.isToResend = isInFlight(message);
      message.isOnWire = false;
    }
  }

  /** What the server must say now: all that waits, one after the other, as far as the client takes it. */
  sendAll(nowS: number): string[] {
    const said: string[] = [];
    for (const message of this.messages.filter(({ isToResend, state }) => isToResend || state === 'waiting')) {
      const isExpired = message.state !== 'released' && message.expiresAtS <= nowS;
      // A PUBREL takes no place.
      if (message.state !== 'released' && !isExpired && message.qos > 0 && this.#isFull()) break;
      said.push(...(isExpired ? [] : [this.#send(message)]));
      message.isToResend = false;
      if (isExpired || message.qos === 0) this.messages = this.messages.filter((other) => other !== message);
    }
    return said;
  }

  #send(message: ModelMessage): string {
    if (message.state === 'released') return `pubrel ${message.packetId}`;
    const dup = message.state === 'sent';
    if (!dup && message.qos > 0) message.packetId = ++this.lastPacketId;
    message.state = 'sent';
    message.isOnWire = message.qos > 0;
    return `${message.name} ${message.packetId}${dup ? ' dup' : ''}`;
  }

  #isFull(): boolean {
    return this.messages.filter(({ isOnWire }) => isOnWire).length >= this.receiveMax;
  }
}

function isInFlight({ state }: ModelMessage): boolean {
  return state !== 'waiting';
}

class SessionModel {
  readonly #store = createMemorySessionStore();
  #nowS = 0;
  readonly #sides = [0, 1].map(() => createFixture({}, { store: this.#store, wallNow: () => this.#nowS * 1_000 })) as [
    ReturnType<typeof createFixture>,
    ReturnType<typeof createFixture>,
  ];
  readonly #messages: ModelMessage[] = [];
  #session: Reference | null = null;
  #client: TestClient | null = null;
  #heardCount = 0;
  #side: 0 | 1 = 0;
  #keeps = false;
  #detachedAtS: number | null = null;
  #handedOver = 0;
  #count = 0;

  constructor() {
    for (const { host } of this.#sides) host.storesAtOnce = true;
  }

  async run(step: Command): Promise<void> {
    const said = await this.#apply(step);
    await settled();
    if (this.#client !== null) expect(this.#heard()).toEqual(said);
    if (this.#client !== null && this.#session !== null) {
      const session = this.#sides[this.#side].endpoint.session('d1');
      expect(new Set(session?.subscriptions().keys())).toEqual(this.#session.filters);
    }
    expect(this.#sides.reduce((sum, { host }) => sum + host.publishes.length, 0)).toBe(this.#handedOver);
    for (const { failures } of this.#sides) expect(failures).toEqual([]);
    for (const { outcomes } of this.#messages) expect(outcomes.length).toBeLessThanOrEqual(1);
  }

  /** Everything ends, and then every send has come to one outcome. */
  async finish(): Promise<void> {
    for (const { endpoint } of this.#sides) {
      endpoint.session('d1')?.close('draining');
      endpoint.endSession('d1');
    }
    await settled();
    for (const { outcomes } of this.#messages) expect(outcomes).toHaveLength(1);
  }

  async #apply(step: Command): Promise<string[]> {
    if (step.kind === 'connect') return this.#connect(step);
    if (step.kind === 'wait') return this.#wait(step.seconds);
    if (step.kind === 'send') return this.#send(step.qos, step.expires);
    const client = this.#client;
    const session = this.#session;
    if (client === null || session === null) return [];
    switch (step.kind) {
      case 'answer':
        return this.#answer(client, session, step);
      case 'publish': {
        const isNew = !session.unreleased.has(step.packetId);
        session.unreleased.add(step.packetId);
        if (isNew) this.#handedOver += 1;
        client.publish(step.packetId, { qos: 2, dup: !isNew });
        return [`pubrec ${step.packetId}`];
      }
      case 'release': {
        const known = session.unreleased.delete(step.packetId);
        client.send({ cmd: 'pubrel', messageId: step.packetId });
        return [`pubcomp ${step.packetId}${known ? '' : ' 0x92'}`];
      }
      case 'subscribe':
        session.filters.add(step.filter);
        client.send({ cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: step.filter, qos: 1 }] });
        return ['suback 9'];
      case 'unsubscribe':
        session.filters.delete(step.filter);
        client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: [step.filter] });
        return ['unsuback 9'];
      default:
        this.#lose();
        client.input.transportClosed();
        return [];
    }
  }

  async #connect({ clean, keeps, endpoint, receiveMax }: Extract<Command, { kind: 'connect' }>): Promise<string[]> {
    // One endpoint at a time has the connection: the host of a real gateway sees to it that the older one is closed.
    if (this.#client !== null && this.#side !== endpoint) this.#client.input.transportClosed();
    await settled();
    this.#lose();
    this.#expire();
    const isResumed = !clean && this.#session !== null;
    const session = isResumed && this.#session !== null ? this.#session : new Reference();
    session.forgetExpired(this.#nowS);
    this.#session = session;
    this.#side = endpoint;
    this.#keeps = keeps;
    this.#detachedAtS = null;
    this.#client = await this.#sides[endpoint].connect({
      clean,
      keepalive: 120,
      properties: {
        ...(keeps && { sessionExpiryInterval: EXPIRY_SECONDS }),
        ...(receiveMax !== null && { receiveMaximum: receiveMax }),
      },
    });
    this.#heardCount = 0;
    session.attach(receiveMax);
    return [`connack ${isResumed ? 1 : 0}`, ...session.sendAll(this.#nowS)];
  }

  async #wait(seconds: number): Promise<string[]> {
    this.#nowS += seconds;
    const isSilent = this.#client !== null;
    if (isSilent) this.#client?.send({ cmd: 'pingreq' });
    for (const { advance, endpoint } of this.#sides) {
      advance(seconds * 1_000);
      endpoint.sweep();
    }
    this.#expire();
    if (!isSilent || this.#session === null) return [];
    // What waits may expire in front of what does not.
    this.#session.forgetWaiting(this.#nowS);
    return ['pingresp', ...this.#session.sendAll(this.#nowS)];
  }

  #send(qos: 0 | 1 | 2, expires: boolean): string[] {
    const { endpoint } = this.#sides[this.#side];
    const session = endpoint.session('d1') ?? [...endpoint.detachedSessions()][0];
    if (session === undefined || this.#session === null) return [];
    const name = `m${this.#count++}`;
    const expiresAtS = expires ? this.#nowS + MESSAGE_SECONDS : Number.POSITIVE_INFINITY;
    const message: ModelMessage = {
      name,
      qos,
      expiresAtS,
      outcomes: [],
      owner: this.#side,
      state: 'waiting',
      packetId: 0,
      isToResend: false,
      isOnWire: false,
    };
    this.#messages.push(message);
    const outbound = {
      topic: 'down',
      payload: Buffer.from(name),
      qos,
      ...(expires && { expiryMs: MESSAGE_SECONDS * 1_000 }),
    };
    void session.send(outbound).then((outcome) => message.outcomes.push(outcome));
    if (this.#client === null) {
      if (qos > 0) this.#session.messages.push(message);
      return [];
    }
    this.#session.messages.push(message);
    return this.#session.sendAll(this.#nowS);
  }

  #answer(client: TestClient, session: Reference, { which, rightly }: { which: number; rightly: boolean }): string[] {
    // It knows those that came on this connection.
    const inFlight = session.messages.filter((message) => isInFlight(message) && !message.isToResend);
    const message = inFlight[which % Math.max(1, inFlight.length)];
    if (message === undefined) {
      // Answers to nothing, some of them with ids that no message has.
      client.send({ cmd: 'puback', messageId: 60_000 + which, reasonCode: 0 });
      return [];
    }
    const { packetId: messageId, qos, state } = message;
    if (!rightly) {
      client.send({ cmd: qos === 1 ? 'pubcomp' : 'puback', messageId, reasonCode: 0 });
      this.#lose(false);
      return ['disconnect 0x82'];
    }
    if (qos === 2 && state === 'sent') {
      message.state = 'released';
      client.send({ cmd: 'pubrec', messageId, reasonCode: 0 });
      return [`pubrel ${messageId}`];
    }
    session.messages = session.messages.filter((other) => other !== message);
    client.send({ cmd: qos === 1 ? 'puback' : 'pubcomp', messageId, reasonCode: 0 });
    return session.sendAll(this.#nowS);
  }

  /** The connection is over. With `forgets` false its last words are still to be read. */
  #lose(forgets = true): void {
    if (this.#detachedAtS !== null || this.#session === null) {
      if (forgets) this.#client = null;
      return;
    }
    this.#detachedAtS = this.#nowS;
    if (!this.#keeps) this.#session = null;
    if (forgets) this.#client = null;
  }

  #expire(): void {
    if (this.#detachedAtS === null || this.#session === null) return;
    if (this.#nowS - this.#detachedAtS >= EXPIRY_SECONDS) this.#session = null;
    else this.#session.forgetExpired(this.#nowS);
  }

  #heard(): string[] {
    const packets = (this.#client as TestClient).received().slice(this.#heardCount);
    this.#heardCount += packets.length;
    const said = packets.map((packet) => {
      if (packet.cmd === 'connack') return `connack ${packet.sessionPresent ? 1 : 0}`;
      if (packet.cmd === 'publish') {
        return `${packet.payload.toString()} ${packet.messageId ?? 0}${packet.dup ? ' dup' : ''}`;
      }
      const code = 'reasonCode' in packet && packet.reasonCode ? ` 0x${packet.reasonCode.toString(16)}` : '';
      return `${packet.cmd}${packet.messageId === undefined ? '' : ` ${packet.messageId}`}${code}`;
    });
    if (this.#detachedAtS !== null) this.#client = null;
    return said;
  }
}

describe('sessions and their model', () => {
  it('agree after every step', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
        const model = new SessionModel();
        for (const step of steps) await model.run(step);
        await model.finish();
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

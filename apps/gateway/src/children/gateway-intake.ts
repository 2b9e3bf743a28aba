import type { CloseReason, InboundMessage, PublishOutcome, Session } from '@breakwater/mqtt-endpoint';
import type { Clock } from '@breakwater/twin-runtime';
import { GATEWAY_TOPIC_PREFIX } from '@breakwater/wire';

import { digestOf, type MessageIntake, type ReadMessage } from '../message-intake.ts';
import type { DeviceSession } from '../session/device-session.ts';
import { matches } from '../session/own-filters.ts';
import type { SessionLifecycle } from '../session-lifecycle.ts';
import type { ChildRefusal, ChildRegistrar } from './child-registrar.ts';
import { CHILD_ATTRIBUTES_TOPIC, CHILD_RPC_TOPIC, ChildSession } from './child-session.ts';
import { ConnectionChildren } from './connection-children.ts';
import { type ChildMessage, type GatewayMessage, readGatewayMessage } from './read-gateway-message.ts';

export interface GatewayIntakeOptions {
  readonly intake: MessageIntake;
  readonly registrar: ChildRegistrar;
  readonly sessions: SessionLifecycle;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly childrenOpenMax: number;
  readonly childrenOpenTotalMax: number;
}

/** A message of a gateway device, with what it is remembered by. */
interface Arrival {
  readonly session: Session<DeviceSession>;
  readonly message: InboundMessage;
  readonly receivedAtMs: number;
  readonly digest: number;
}

type Usable = Exclude<GatewayMessage, { kind: 'dead' }>;

const STORED: PublishOutcome = { kind: 'stored' };
const NOT_STORED: PublishOutcome = { kind: 'failed', detail: 'a message before this one was not stored' };
/** How many refused children the answer and a dead letter name; the others are counted. */
const NAMED_MAX = 3;

export function isGatewayTopic(topic: string): boolean {
  return topic.startsWith(GATEWAY_TOPIC_PREFIX);
}

/**
 * Messages in which one connection speaks for many devices. What each child says goes the way of a message of it:
 * it is good or dead by itself, so that a broken sensor does not cost the others their data. There is one answer for
 * all of them, and it is only given when all of it, or its dead letters, is durable.
 *
 * Children are opened before anything of a message enters, and messages enter in the order in which they came.
 */
export class GatewayIntake {
  readonly #options: GatewayIntakeOptions;
  readonly #connections = new Map<Session<DeviceSession>, ConnectionChildren>();
  #places = 0;

  constructor(options: GatewayIntakeOptions) {
    this.#options = options;
  }

  /** Children that are open, of all connections. */
  get count(): number {
    return this.#places;
  }

  take(session: Session<DeviceSession>, message: InboundMessage): Promise<PublishOutcome> {
    const receivedAtMs = this.#options.clock.nowMs();
    const arrival = { session, message, receivedAtMs, digest: digestOf(message) };
    const { isGateway, payloadFormat } = session.identity.device.profile;
    if (!isGateway) {
      const detail = 'the device is not registered as a gateway';
      return this.#takeAsOwn(arrival, { kind: 'dead', code: 'NOT_A_GATEWAY', detail });
    }
    const read = readGatewayMessage(message, payloadFormat, receivedAtMs);
    if (read.kind === 'dead') return this.#takeAsOwn(arrival, read);
    return this.#inTurn(this.#childrenOf(session), arrival, read);
  }

  /** Of the filters that are in force since now, is one for the children? Then each is sent what waits for it. */
  subscribed(session: Session<DeviceSession>, filters: readonly string[]): void {
    const children = this.#connections.get(session);
    if (children === undefined) return;
    const { sessions } = this.#options;
    if (filters.some((filter) => matches(filter, CHILD_ATTRIBUTES_TOPIC))) {
      for (const child of children.all()) sessions.requestDesired(child);
    }
    if (filters.some((filter) => matches(filter, CHILD_RPC_TOPIC))) {
      for (const child of children.all()) sessions.requestCommands(child);
    }
  }

  /** Of which children the message with this packet id spoke is not kept: for the others it says nothing. */
  released(session: Session<DeviceSession>, packetId: number): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { identity } of this.#connections.get(session)?.all() ?? []) identity.memory.released(packetId, nowMs);
  }

  closed(session: Session<DeviceSession>, reason: CloseReason): void {
    this.#connections.get(session)?.closeAll(reason);
    this.#connections.delete(session);
  }

  #childrenOf(session: Session<DeviceSession>): ConnectionChildren {
    const known = this.#connections.get(session);
    if (known !== undefined) return known;
    const { childrenOpenMax, childrenOpenTotalMax } = this.#options;
    const children = new ConnectionChildren({
      ...this.#options,
      parent: session,
      openMax: childrenOpenMax,
      takePlace: () => {
        if (this.#places >= childrenOpenTotalMax) return false;
        this.#places += 1;
        return true;
      },
      givePlace: () => (this.#places -= 1),
    });
    this.#connections.set(session, children);
    return children;
  }

  async #inTurn(children: ConnectionChildren, arrival: Arrival, read: Usable): Promise<PublishOutcome> {
    // The answer is wrapped, or those behind would wait for it too.
    const entered = (children.turn ?? Promise.resolve()).then(async () => {
      if (children.broken) return { answer: Promise.resolve(NOT_STORED) };
      const opened = await this.#openAll(children, read);
      return { answer: this.#enter(children, { arrival, read, opened }) };
    });
    const turn = entered.catch(() => (children.broken = true));
    children.turn = turn;
    void turn.then(() => {
      if (children.turn === turn) children.turn = null;
    });
    try {
      return await (
        await entered
      ).answer;
    } catch (error) {
      return { kind: 'failed', detail: `a child device could not be opened: ${messageOf(error)}` };
    }
  }

  async #openAll(
    children: ConnectionChildren,
    read: Usable,
  ): Promise<ReadonlyMap<string, ChildSession | ChildRefusal>> {
    const names = read.kind === 'messages' ? read.messages.map(({ child }) => child) : [read.child];
    if (read.kind === 'disconnect') return new Map();
    const opened = await Promise.allSettled(names.map((name) => children.open(name)));
    const found = new Map<string, ChildSession | ChildRefusal>();
    for (const [index, result] of opened.entries()) {
      if (result.status === 'rejected') throw result.reason;
      found.set(names[index] as string, result.value);
    }
    return found;
  }

  async #enter(
    children: ConnectionChildren,
    {
      arrival,
      read,
      opened,
    }: { arrival: Arrival; read: Usable; opened: ReadonlyMap<string, ChildSession | ChildRefusal> },
  ): Promise<PublishOutcome> {
    if (read.kind === 'disconnect') {
      children.get(read.child)?.close('clientDisconnected');
      return STORED;
    }
    const refused = new Map<ChildMessage, ChildRefusal>();
    const answers: Promise<PublishOutcome>[] = [];
    const messages = read.kind === 'messages' ? read.messages : [connectMessage(read.child)];
    for (const said of messages) {
      const child = opened.get(said.child);
      if (!(child instanceof ChildSession)) refused.set(said, child as ChildRefusal);
      else if (read.kind === 'messages') answers.push(this.#takeOf(arrival, said, child));
    }
    if (refused.size > 0) answers.push(this.#takeRefused(arrival, refused));
    return answerOf(await Promise.all(answers), messages.length);
  }

  /** A dead letter keeps the child's own message, in a form in which it can be sent again. */
  async #takeOf({ message, ...read }: Arrival, said: ChildMessage, child: ChildSession): Promise<PublishOutcome> {
    const { classified } = said;
    const own = classified.kind === 'good' ? message : { ...message, payload: bytesOf([said]) };
    const outcome = await this.#options.intake.takeRead(child, own, { ...read, classified });
    return outcome.kind === 'refused' ? { ...outcome, detail: `${said.child}: ${outcome.detail}` } : outcome;
  }

  /** Who may not be spoken for gets no dead letter of its own: the gateway device does, one for all of them. */
  #takeRefused(arrival: Arrival, refused: ReadonlyMap<ChildMessage, ChildRefusal>): Promise<PublishOutcome> {
    const reasons = [...refused].map(([{ child }, { detail }]) => `${child}: ${detail}`);
    const more = reasons.length > NAMED_MAX ? `; and ${reasons.length - NAMED_MAX} more` : '';
    const [first] = refused.values();
    const code = (first as ChildRefusal).code;
    const detail = `${reasons.slice(0, NAMED_MAX).join('; ')}${more}`;
    const message = { ...arrival.message, payload: bytesOf([...refused.keys()]) };
    return this.#takeAsOwn({ ...arrival, message }, { kind: 'dead', code, detail });
  }

  #takeAsOwn(
    { session, message, ...read }: Arrival,
    classified: Extract<GatewayMessage, { kind: 'dead' }>,
  ): Promise<PublishOutcome> {
    const whole: ReadMessage = { ...read, classified };
    return this.#options.intake.takeRead(session, message, whole);
  }
}

function connectMessage(child: string): ChildMessage {
  return { child, classified: { kind: 'dead', code: 'CHILD_REFUSED', detail: '' }, value: {} };
}

function bytesOf(messages: readonly ChildMessage[]): Buffer {
  return Buffer.from(JSON.stringify(Object.fromEntries(messages.map(({ child, value }) => [child, value]))));
}

/** What is not durable outweighs everything: the message comes again, and of it only what is missing is taken. */
function answerOf(outcomes: readonly PublishOutcome[], count: number): PublishOutcome {
  const ended = outcomes.find(({ kind }) => kind === 'failed') ?? outcomes.find(({ kind }) => kind === 'violation');
  if (ended !== undefined) return ended;
  const refusals = outcomes.filter((outcome) => outcome.kind === 'refused');
  const [first] = refusals;
  if (first === undefined) return STORED;
  const others = count > 1 ? ' (what the other devices said is stored)' : '';
  const details = refusals.slice(0, NAMED_MAX).map(({ detail }) => detail);
  const more = refusals.length > NAMED_MAX ? `; and ${refusals.length - NAMED_MAX} more` : '';
  return { kind: 'refused', reason: first.reason, detail: `${details.join('; ')}${more}${others}` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

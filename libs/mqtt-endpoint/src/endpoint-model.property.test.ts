import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DeliveryOutcome } from './endpoint-host.ts';
import { createFixture, settled, type TestClient } from './testing/endpoint-fixture.ts';
import type { HandedOver } from './testing/recording-host.ts';

/**
 * The engine against a model that keeps, per connection, the publishes in receive order and what became of them. The
 * model says which acknowledgements must have left, which messages the host must have, and who holds which session.
 */
interface ModelPublish {
  readonly packetId: number;
  readonly qos: 1 | 2;
  state: 'open' | 'stored' | 'failed';
}

interface ModelConnection {
  readonly client: TestClient;
  readonly device: string;
  readonly publishes: ModelPublish[];
  readonly acks: string[];
  /** QoS 2 ids that the host has and the client has not released. */
  readonly unreleased: Set<number>;
  nextPacketId: number;
  isOpen: boolean;
}

type Action =
  | { readonly kind: 'connect'; readonly device: number; readonly version: 4 | 5 }
  | { readonly kind: 'publish'; readonly connection: number; readonly qos: 1 | 2 }
  | { readonly kind: 'repeat'; readonly connection: number }
  | { readonly kind: 'release'; readonly connection: number }
  | { readonly kind: 'settle'; readonly which: number; readonly fails: boolean }
  | { readonly kind: 'send'; readonly device: number; readonly qos: 0 | 1 }
  | { readonly kind: 'acknowledge'; readonly connection: number; readonly packetId: number }
  | { readonly kind: 'drop' | 'disconnect'; readonly connection: number };

const index = fc.nat({ max: 5 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('connect' as const),
      device: fc.nat({ max: 1 }),
      version: fc.constantFrom(4 as const, 5 as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      connection: index,
      qos: fc.constantFrom(1 as const, 2 as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('repeat' as const), connection: index }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), connection: index }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      which: fc.nat({ max: 7 }),
      fails: fc.integer({ min: 0, max: 19 }).map((roll) => roll === 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      device: fc.nat({ max: 1 }),
      qos: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('acknowledge' as const),
      connection: index,
      packetId: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('drop' as const, 'disconnect' as const), connection: index }),
  },
);

class Model {
  readonly fixture = createFixture({ receiveMax: 1_000 });
  readonly connections: ModelConnection[] = [];
  readonly open: { handedOver: HandedOver; publish: ModelPublish; connection: ModelConnection }[] = [];
  readonly sends: { outcomes: DeliveryOutcome[] }[] = [];
  handedOverCount = 0;

  async run(step: Action): Promise<void> {
    switch (step.kind) {
      case 'connect':
        return this.#connect(`device-${step.device}`, step.version);
      case 'publish':
        return this.#withConnection(step.connection, (connection) => this.#publish(connection, step.qos));
      case 'repeat':
        return this.#withConnection(step.connection, (connection) => this.#repeat(connection));
      case 'release':
        return this.#withConnection(step.connection, (connection) => this.#release(connection));
      case 'settle':
        return this.#settle(step.which, step.fails);
      case 'send':
        return this.#send(`device-${step.device}`, step.qos);
      case 'acknowledge':
        return this.#withConnection(step.connection, ({ client }) =>
          client.send({ cmd: 'puback', messageId: step.packetId, reasonCode: 0 }),
        );
      default:
        return this.#withConnection(step.connection, (connection) => {
          if (step.kind === 'drop') connection.client.input.transportClosed();
          else connection.client.send({ cmd: 'disconnect' });
          connection.isOpen = false;
        });
    }
  }

  /** What must hold after every step. */
  check(): void {
    const { host, endpoint } = this.fixture;
    expect(host.publishes).toHaveLength(this.handedOverCount);
    for (const { client, acks, isOpen } of this.connections) {
      const heard = client.heard().filter((packet) => /^pub(ack|rec|comp)/.test(packet));
      expect(heard).toEqual(acks);
      if (isOpen) expect(client.transport.state).toBe('open');
    }
    const live = this.connections.filter((connection) => connection.isOpen);
    expect([...endpoint.sessions()].map((session) => session.identity.name).sort()).toEqual(
      live.map((connection) => connection.device).sort(),
    );
    expect(endpoint.connectionCount).toBe(live.length);
    expectAlternating(host.calls);
    expect(this.fixture.failures).toEqual([]);
    for (const { outcomes } of this.sends) expect(outcomes.length).toBeLessThanOrEqual(1);
  }

  /** Everything open ends, and then every send has settled once and every session has closed once. */
  async finish(): Promise<void> {
    for (const connection of this.connections) connection.client.input.transportClosed();
    await settled();
    for (const { outcomes } of this.sends) expect(outcomes).toHaveLength(1);
    expect(this.fixture.endpoint.connectionCount).toBe(0);
    expect(this.fixture.host.closed).toHaveLength(this.fixture.host.opened.length);
  }

  #withConnection(which: number, use: (connection: ModelConnection) => void): void {
    const live = this.connections.filter((connection) => connection.isOpen);
    const connection = live[which % Math.max(1, live.length)];
    if (connection !== undefined) use(connection);
  }

  async #connect(device: string, version: 4 | 5): Promise<void> {
    for (const connection of this.connections) if (connection.device === device) connection.isOpen = false;
    const client = await this.fixture.connect({ clientId: device, protocolVersion: version });
    this.connections.push({
      client,
      device,
      publishes: [],
      acks: [],
      unreleased: new Set(),
      nextPacketId: 1,
      isOpen: true,
    });
  }

  #publish(connection: ModelConnection, qos: 1 | 2): void {
    const packetId = connection.nextPacketId++;
    connection.client.publish(packetId, { qos });
    const publish: ModelPublish = { packetId, qos, state: 'open' };
    connection.publishes.push(publish);
    this.open.push({ handedOver: this.fixture.host.publishAt(this.handedOverCount), publish, connection });
    this.handedOverCount += 1;
  }

  /** Sends a QoS 2 message again: never handed over again, and answered once it is recorded. */
  #repeat(connection: ModelConnection): void {
    const first = connection.publishes.findLast(({ qos }) => qos === 2);
    const packetId = first?.packetId ?? [...connection.unreleased][0];
    if (packetId === undefined) return;
    const isRecorded = connection.unreleased.has(packetId);
    if (!isRecorded && first === undefined) return;
    connection.client.publish(packetId, { qos: 2, dup: true });
    if (!isRecorded) return;
    connection.publishes.push({ packetId, qos: 2, state: 'stored' });
    this.#advance(connection);
  }

  #release(connection: ModelConnection): void {
    const packetId = [...connection.unreleased][0];
    if (packetId === undefined) return;
    // A repeated PUBLISH of that id may still wait for its turn; a client does not release before its PUBREC.
    if (connection.publishes.some((publish) => publish.packetId === packetId)) return;
    connection.unreleased.delete(packetId);
    connection.client.send({ cmd: 'pubrel', messageId: packetId });
    connection.acks.push(`pubcomp ${packetId}`);
  }

  #settle(which: number, fails: boolean): void {
    const chosen = this.open[which % Math.max(1, this.open.length)];
    if (chosen === undefined) return;
    this.open.splice(this.open.indexOf(chosen), 1);
    chosen.publish.state = fails ? 'failed' : 'stored';
    chosen.handedOver.settle(fails ? { kind: 'failed', detail: 'away' } : { kind: 'stored' });
    this.#advance(chosen.connection);
  }

  #advance(connection: ModelConnection): void {
    while (connection.isOpen) {
      const first = connection.publishes[0];
      if (first === undefined || first.state === 'open') return;
      if (first.state === 'failed') {
        connection.isOpen = false;
        return;
      }
      connection.publishes.shift();
      connection.acks.push(`${first.qos === 1 ? 'puback' : 'pubrec'} ${first.packetId}`);
      if (first.qos === 2) connection.unreleased.add(first.packetId);
    }
  }

  #send(device: string, qos: 0 | 1): void {
    const outcomes: DeliveryOutcome[] = [];
    const session = this.fixture.endpoint.session(device);
    if (session === null) return;
    this.sends.push({ outcomes });
    void session.send({ topic: 'down', payload: Buffer.from('x'), qos }).then((outcome) => outcomes.push(outcome));
  }
}

/** Per device: opened, closed, opened, closed. */
function expectAlternating(calls: readonly string[]): void {
  const open = new Set<string>();
  for (const call of calls) {
    const [what, device = ''] = call.split(' ');
    expect(open.has(device)).toBe(what === 'closed');
    if (what === 'opened') open.add(device);
    else open.delete(device);
  }
}

describe('the engine and its model', () => {
  it('agree after every step', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 60 }), async (steps) => {
        const model = new Model();
        for (const step of steps) {
          await model.run(step);
          await settled();
          model.check();
        }
        await model.finish();
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});

import { MemoryEventLog } from '@breakwater/adapter-memory';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { AppendRequest, AppendResult, EventLog } from '@breakwater/twin-runtime';

import { type FixtureOptions, type GatewayFixture, recordsOfLane, startFixture, until } from './gateway-fixture.ts';
import { RawClient } from './raw-client.ts';

/** A log whose answers to telemetry can be held back. */
class HeldLog {
  readonly #memory: MemoryEventLog;
  #released: Promise<void> = Promise.resolve();
  release: () => void = () => undefined;
  appended = 0;

  constructor(memory: MemoryEventLog) {
    this.#memory = memory;
  }

  hold(): void {
    this.#released = new Promise((resolve) => (this.release = resolve));
  }

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const results = await this.#memory.append(requests);
    if (requests.some(({ lane }) => lane === 'telemetry')) {
      this.appended += 1;
      await this.#released;
    }
    return results;
  }

  keepProducer: EventLog['keepProducer'] = () => this.#memory.keepProducer();
  fenceProducer: EventLog['fenceProducer'] = (...given) => this.#memory.fenceProducer(...given);
}

/** A log in which a telemetry append lands unheard of, before the producer is fenced: as of a gateway that paused. */
function landingUnheard(memory: MemoryEventLog): EventLog {
  let isToLand = true;
  const append = async (requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> => {
    const results = await memory.append(requests);
    const request = requests.find(({ lane }) => lane === 'telemetry');
    if (request === undefined || !isToLand) return results;
    isToLand = false;
    await memory.fenceProducer(request.producerId, [request.partition]);
    throw new Error('the connection broke');
  };
  return {
    append,
    keepProducer: () => memory.keepProducer(),
    fenceProducer: (...given: Parameters<EventLog['fenceProducer']>) => memory.fenceProducer(...given),
  } as unknown as EventLog;
}

describe('a message that is sent again', () => {
  const running: GatewayFixture[] = [];
  const start = async (options?: FixtureOptions): Promise<GatewayFixture> => {
    const fixture = await startFixture(options);
    running.push(fixture);
    await fixture.addDevice('d1');
    return fixture;
  };
  afterEach(async () => {
    for (const fixture of running.splice(0)) await fixture.stop();
  });
  const valuesIn = async (gateway: GatewayFixture): Promise<readonly unknown[]> =>
    (await gateway.records('telemetry')).map(
      ({ message }) => message.kind === 'telemetry' && message.points[0]?.values.get('a'),
    );

  it('is one event in its own session: DUP with packet id and payload, or its id', async () => {
    const gateway = await start();
    const client = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const id = { properties: { userProperties: { id: 'm-1' } } };
    client.publish(1, '{"a":1}');
    client.publish(1, '{"a":1}', { dup: true });
    client.publish(2, '{"a":2}', id);
    client.publish(3, '{"a":2}', id);
    expect(await client.acknowledgements(4)).toEqual([1, 1, 2, 3]);
    expect(await valuesIn(gateway)).toEqual([1, 2]);
    // A new message: not marked as a resend, or with another payload.
    client.publish(1, '{"a":1}');
    client.publish(1, '{"a":3}', { dup: true });
    await client.acknowledgements(6);
    expect(await valuesIn(gateway)).toEqual([1, 2, 1, 3]);
    client.drop();
  });

  it('is not acknowledged before its first sending is durable', async () => {
    let held: HeldLog | null = null;
    const gateway = await start({ log: (log) => (held = new HeldLog(log)) as unknown as EventLog });
    const client = await RawClient.open(gateway.ports.mqtt, 'd1');
    const log = held as unknown as HeldLog;
    log.hold();
    client.publish(1, '{"a":1}');
    client.publish(1, '{"a":1}', { dup: true });
    client.publish(2, '{"a":2}');
    const before = log.appended;
    await until('the append', () => log.appended > before);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(client.acknowledged()).toEqual([]);
    log.release();
    expect(await client.acknowledgements(3)).toEqual([1, 1, 2]);
    expect(await valuesIn(gateway)).toEqual([1, 2]);
    client.drop();
  });

  it('is not acknowledged to a newer connection before its first sending is durable', async () => {
    let held: HeldLog | null = null;
    const gateway = await start({ log: (log) => (held = new HeldLog(log)) as unknown as EventLog });
    const id = { properties: { userProperties: { id: 'm-1' } } };
    const first = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    const log = held as unknown as HeldLog;
    log.hold();
    first.publish(1, '{"a":1}', id);
    await until('the append', () => log.appended > 0);
    const second = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    second.publish(5, '{"a":1}', id);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(second.acknowledged()).toEqual([]);
    log.release();
    expect(await second.acknowledgements(1)).toEqual([5]);
    expect(await valuesIn(gateway)).toEqual([1]);
    second.drop();
  });

  it('is one event over a reconnect to the same gateway', async () => {
    const gateway = await start();
    const first = await RawClient.open(gateway.ports.mqtt, 'd1');
    first.publish(7, '{"a":1}');
    await first.acknowledgements(1);
    first.drop();
    const second = await RawClient.open(gateway.ports.mqtt, 'd1');
    second.publish(7, '{"a":1}', { dup: true });
    second.publish(8, '{"a":2}');
    expect(await second.acknowledgements(2)).toEqual([7, 8]);
    expect(await valuesIn(gateway)).toEqual([1, 2]);
    second.drop();
  });

  it('is one event although its gateway lost its identity before it heard that it is in the log', async () => {
    const gateway = await start({ log: landingUnheard });
    const id = { properties: { userProperties: { id: 'm-1' } } };
    const first = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    first.publish(7, '{"a":1}', id);
    await until('the end of the connection', () => first.closed);
    expect(first.acknowledged()).toEqual([]);
    await until('a new identity', () => gateway.gateway.readiness().ready);
    // This connection ends before anything is sent again, which leaves the question to the next one.
    const second = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    expect(second.accepted).toBe(true);
    second.drop();
    const third = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    third.publish(9, '{"a":1}', id);
    third.publish(10, '{"a":2}');
    expect(await third.acknowledgements(2)).toEqual([9, 10]);
    expect(await valuesIn(gateway)).toEqual([1, 2]);
    third.drop();
  });

  it('is one event over a change of gateway with a connection in between that said nothing', async () => {
    const gateway = await start();
    const id = { properties: { userProperties: { id: 'm-1' } } };
    const first = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    first.publish(1, '{"a":1}', id);
    await first.acknowledgements(1);
    const other = await gateway.another();
    running.push(other);
    const second = await RawClient.open(other.ports.mqtt, 'd1', 5);
    second.drop();
    const third = await RawClient.open(other.ports.mqtt, 'd1', 5);
    third.publish(9, '{"a":1}', id);
    expect(await third.acknowledgements(1)).toEqual([9]);
    expect(await valuesIn(gateway)).toEqual([1]);
    third.drop();
  });

  it('is one event over a change of gateway, and keeps its place before what follows', async () => {
    const gateway = await start({ settings: { resendTailRecordsMax: 50 } });
    const first = await RawClient.open(gateway.ports.mqtt, 'd1', 5);
    first.publish(1, '{"a":1}');
    first.publish(2, '{"a":2}', { properties: { userProperties: { id: 'm-2' } } });
    await first.acknowledgements(2);
    const other = await gateway.another();
    running.push(other);
    const second = await RawClient.open(other.ports.mqtt, 'd1', 5);
    second.publish(1, '{"a":1}', { dup: true });
    second.publish(9, '{"a":2}', { properties: { userProperties: { id: 'm-2' } } });
    second.publish(3, '{"a":3}', { dup: true });
    second.publish(4, '{"a":4}');
    expect(await second.acknowledgements(4)).toEqual([1, 9, 3, 4]);
    expect(await valuesIn(gateway)).toEqual([1, 2, 3, 4]);
    await until('the old connection to be closed', () => first.closed);
    second.drop();
  });

  it.each(['here', 'at another gateway'])('of a session long over is a new event (%s)', async (where) => {
    const gateway = await start();
    let port = gateway.ports.mqtt;
    const publishAndDrop = async (messageId: number, dup: boolean): Promise<void> => {
      const client = await RawClient.open(port, 'd1');
      client.publish(messageId, '{"a":1}', { dup });
      expect(await client.acknowledgements(1)).toEqual([messageId]);
      client.drop();
      const { log } = gateway;
      await until('the end of the session', async () => {
        const closed = (await recordsOfLane(log, 'control')).filter(({ message }) => message.kind === 'sessionClosed');
        const opened = (await recordsOfLane(log, 'control')).filter(({ message }) => message.kind === 'sessionOpened');
        return closed.length === opened.length;
      });
    };
    await publishAndDrop(1, false);
    await publishAndDrop(2, false);
    if (where !== 'here') {
      const other = await gateway.another();
      running.push(other);
      port = other.ports.mqtt;
    }
    await publishAndDrop(1, true);
    expect(await valuesIn(gateway)).toEqual([1, 1, 1]);
  });

  it('of an earlier life of the device id is another event', async () => {
    const gateway = await start();
    const first = await RawClient.open(gateway.ports.mqtt, 'd1');
    first.publish(1, '{"a":1}');
    await first.acknowledgements(1);
    first.drop();
    await gateway.registry.deleteDevice('default' as never, 'd1' as never);
    await gateway.addDevice('d1');
    // The token may still be remembered with the earlier life; the session is then refused, and the next one is not.
    let second = await RawClient.open(gateway.ports.mqtt, 'd1');
    if (!second.accepted) second = await RawClient.open(gateway.ports.mqtt, 'd1');
    second.publish(1, '{"a":1}', { dup: true });
    await second.acknowledgements(1);
    expect((await gateway.records('telemetry')).map(({ incarnation }) => incarnation)).toEqual([1, 2]);
    second.drop();
  });
});

import type { MemoryEventLog } from '@breakwater/adapter-memory';
import type { AppendRequest, AppendResult, EventLog } from '@breakwater/twin-runtime';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';

const TOPIC = 'v1/devices/me/telemetry';
/** With what a record has beside its payload, some 2.5 KB. */
const PAYLOAD = JSON.stringify({ text: 'x'.repeat(2_000) });
const KIB = 1024;
const LIMITS = { stopReadingBytes: 20 * KIB, shedBytes: 40 * KIB, refuseConnectsBytes: 60 * KIB };

/** A log whose telemetry lane is full until somebody makes room; control is never concerned. */
class FullLog {
  readonly #memory: MemoryEventLog;
  isFull = true;

  constructor(memory: MemoryEventLog) {
    this.#memory = memory;
  }

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    const results: AppendResult[] = [];
    for (const request of requests) {
      if (this.isFull && request.lane === 'telemetry') results.push({ kind: 'refused', code: 'LANE_FULL' });
      else results.push(...(await this.#memory.append([request])));
    }
    return results;
  }

  keepProducer: EventLog['keepProducer'] = () => this.#memory.keepProducer();
  fenceProducer: EventLog['fenceProducer'] = (...given) => this.#memory.fenceProducer(...given);
  bounds: EventLog['bounds'] = (...given) => this.#memory.bounds(...given);
}

describe('a gateway whose telemetry lane is full', () => {
  let fixture: GatewayFixture;
  let clients: MqttClient[] = [];
  let closes = 0;

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.endAsync(true)));
    clients = [];
    await fixture.stop();
  });

  async function connect(id: string, protocolVersion: 4 | 5 = 4): Promise<MqttClient> {
    const client = await fixture.connect(id, { protocolVersion });
    client.on('close', () => (closes += 1));
    clients.push(client);
    return client;
  }

  const measures = async (): Promise<readonly (string | undefined)[]> =>
    (await fixture.metric('breakwater_overload_measure{'))
      .filter((line) => line.endsWith(' 1'))
      .map((line) => /measure="(\w+)"/.exec(line)?.[1]);

  it('takes one measure after the other, lets control through, and goes on by itself when there is room', async () => {
    let log: FullLog | undefined;
    fixture = await startFixture({
      settings: LIMITS,
      log: (memory) => (log = new FullLog(memory)) as unknown as EventLog,
    });
    const ids = Array.from({ length: 40 }, (_, at) => `d${at}`);
    await Promise.all([...ids, 'new-4', 'new-5', 'later'].map((id) => fixture.addDevice(id)));
    const devices = await Promise.all(ids.map((id) => connect(id)));
    const quality0 = devices.pop() as MqttClient;
    const answered: Promise<unknown>[] = [];
    const addUntil = async (measure: string): Promise<void> => {
      await until(measure, async () => {
        const next = devices.shift();
        if (next !== undefined) answered.push(next.publishAsync(TOPIC, PAYLOAD, { qos: 1 }));
        // The gauges follow twice a second.
        await new Promise((resolve) => setTimeout(resolve, 120));
        return (await measures()).includes(measure);
      });
    };

    await addUntil('withhold');
    expect(await measures()).toEqual(['withhold']);
    const reporting = devices.pop() as MqttClient;
    await reporting.publishAsync('v1/devices/me/twin/reported', '{"n":1}', { qos: 1 });

    await addUntil('stopReading');
    expect(await measures()).toEqual(['withhold', 'stopReading']);
    await addUntil('shed');
    expect(await measures()).toEqual(['withhold', 'stopReading', 'shed']);
    await quality0.publishAsync(TOPIC, '{"n":1}', { qos: 0 });
    await until('QoS 0 is shed', async () => {
      return (await fixture.metric('breakwater_shed_total{class="qos0",reason="queue",tenant="default"')).length > 0;
    });

    await addUntil('refuseConnects');
    await expect(fixture.connect('new-5', { protocolVersion: 5 })).rejects.toMatchObject({ code: 0x89 });
    await expect(fixture.connect('new-4', { protocolVersion: 4 })).rejects.toMatchObject({ code: 3 });
    await reporting.publishAsync('v1/devices/me/twin/reported', '{"n":2}', { qos: 1 });
    expect(closes).toBe(0);

    if (log !== undefined) log.isFull = false;
    await Promise.all(answered);
    await until('no measure is taken any more', async () => (await measures()).length === 0);
    await connect('later');
    expect(closes).toBe(0);
    expect((await fixture.records('telemetry')).length).toBe(answered.length);
  });
});

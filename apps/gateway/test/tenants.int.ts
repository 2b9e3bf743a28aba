import type { MemoryEventLog } from '@breakwater/adapter-memory';
import { type DeviceId, deviceKey, type TenantId } from '@breakwater/twin';
import type { AppendRequest, AppendResult, EventLog } from '@breakwater/twin-runtime';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';

import { hashOfToken } from '../src/identity/device-tokens.ts';
import { type GatewayFixture, partitionOfDevice, startFixture, until } from './gateway-fixture.ts';

const FRAME_RECORDS = 10;
const LOUD_DEVICES = 6;
const LOUD_MESSAGES = 25;

/** A log that answers nothing until it is let go on. */
class GatedLog {
  readonly #memory: MemoryEventLog;
  readonly appended: string[] = [];
  #gate: Promise<void> = Promise.resolve();
  open: () => void = () => undefined;

  constructor(memory: MemoryEventLog) {
    this.#memory = memory;
  }

  close(): void {
    this.#gate = new Promise((resolve) => (this.open = resolve));
  }

  async append(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    await this.#gate;
    for (const { lane, body } of requests) if (lane === 'telemetry') this.appended.push(...body.toString().split('\n'));
    return this.#memory.append(requests);
  }

  keepProducer: EventLog['keepProducer'] = () => this.#memory.keepProducer();
  fenceProducer: EventLog['fenceProducer'] = (...given) => this.#memory.fenceProducer(...given);
}

describe('a tenant that floods the queue for the log', () => {
  let fixture: GatewayFixture;
  let clients: MqttClient[] = [];

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.endAsync(true)));
    clients = [];
    await fixture.stop();
  });

  async function connect(tenant: string, id: string): Promise<MqttClient> {
    await fixture.registry.createDevice(tenant as TenantId, id as DeviceId, hashOfToken(`token-${id}`), Date.now());
    const client = await fixture.connect(id, { protocolVersion: 4 });
    clients.push(client);
    return client;
  }

  /** Ids of the tenant whose records go into the first partition. */
  function idsOf(tenant: string, count: number): readonly string[] {
    const ids: string[] = [];
    for (let number = 0; ids.length < count; number++) {
      const id = `${tenant}-${number}`;
      if (partitionOfDevice(deviceKey(tenant as TenantId, id as DeviceId)) === 0) ids.push(id);
    }
    return ids;
  }

  it('waits behind itself: the message of another tenant is in the second frame', async () => {
    let log: GatedLog | undefined;
    fixture = await startFixture({
      settings: { frameRecordsMax: FRAME_RECORDS },
      log: (memory) => (log = new GatedLog(memory)) as unknown as EventLog,
    });
    const publish = (client: MqttClient): Promise<unknown> =>
      client.publishAsync('v1/devices/me/telemetry', '{"n":1}', { qos: 1 });
    const loud = await Promise.all(idsOf('loud', LOUD_DEVICES).map((id) => connect('loud', id)));
    const quiet = await Promise.all(idsOf('quiet', 1).map((id) => connect('quiet', id)));
    log?.close();
    const all = loud.flatMap((client) => Array.from({ length: LOUD_MESSAGES }, () => publish(client)));
    const waiting = (): Promise<number> =>
      fixture.metric('breakwater_append_queue_records').then(([line = '']) => Number(line.split(' ').at(-1)));
    await until('the flood waits', async () => (await waiting()) >= LOUD_DEVICES * LOUD_MESSAGES);
    all.push(...quiet.map(publish));
    await until('all wait', async () => (await waiting()) > LOUD_DEVICES * LOUD_MESSAGES);
    log?.open();
    await Promise.all(all);
    const place = log?.appended.findIndex((line) => line.includes('"quiet-')) ?? -1;
    expect(log?.appended).toHaveLength(all.length);
    // One frame was cut before it came.
    expect(place).toBeGreaterThanOrEqual(0);
    expect(place).toBeLessThan(2 * FRAME_RECORDS);
  });
});

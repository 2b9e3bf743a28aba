import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { TcpEndpoint } from './tcp-endpoint.ts';

const MESSAGE_COUNT = 2_000;
const RECEIVE_MAX = 20;
const tcp = new TcpEndpoint();
let port = 0;
let clientNumber = 0;

beforeAll(async () => {
  port = await tcp.listen();
});

afterAll(async () => {
  await tcp.close();
});

function connect(options: IClientOptions = {}): Promise<MqttClient> {
  clientNumber += 1;
  const all = { reconnectPeriod: 0, clientId: `client-${clientNumber}`, ...options };
  return connectAsync(`mqtt://127.0.0.1:${port}`, all, false);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

function topicsOf(prefix: string): string[] {
  return tcp.host.messages.map(({ topic }) => topic).filter((topic) => topic.startsWith(prefix));
}

const protocols = [
  ['3.1', { protocolVersion: 3, protocolId: 'MQIsdp' }],
  ['3.1.1', { protocolVersion: 4 }],
  ['5', { protocolVersion: 5 }],
] as const;

describe.each(protocols)('MQTT.js with MQTT %s', (name, protocol) => {
  it('publishes with every QoS, subscribes, receives and leaves', async () => {
    const client = await connect(protocol);
    for (const qos of [0, 1, 2] as const) await client.publishAsync(`${name}/qos${qos}`, `payload ${qos}`, { qos });
    await until('three messages', () => topicsOf(`${name}/qos`).length === 3);
    expect(topicsOf(`${name}/qos`)).toEqual([`${name}/qos0`, `${name}/qos1`, `${name}/qos2`]);

    const received: string[] = [];
    client.on('message', (topic, payload) => received.push(`${topic} ${payload.toString()}`));
    await client.subscribeAsync('mine/#', { qos: 1 });
    const session = tcp.host.subscribers.at(-1);
    for (const qos of [0, 1] as const) {
      const message = { topic: `mine/${qos}`, payload: Buffer.from('down'), qos };
      await expect(session?.send(message)).resolves.toEqual({ kind: 'delivered', reasonCode: 0 });
    }
    await until('both messages', () => received.length === 2);
    expect(received).toEqual(['mine/0 down', 'mine/1 down']);
    await client.unsubscribeAsync('mine/#');
    expect(session?.subscriptions().size).toBe(0);
    const clientId = client.options.clientId;
    await client.endAsync();
    await until('the end of the session', () => tcp.host.ended.includes(`${clientId} clientDisconnected`));
    expect(tcp.host.wills).not.toContain('will');
  });

  it('sends a burst far over every limit without loss or disorder', async () => {
    const client = await connect(protocol);
    // MQTT.js does not keep to the receive maximum of version 5 by itself; before 5 there is none to keep to.
    const senderCount = name === '5' ? RECEIVE_MAX : MESSAGE_COUNT;
    let next = 0;
    const sendNext = async (): Promise<void> => {
      while (next < MESSAGE_COUNT) {
        const number = next++;
        await client.publishAsync(`burst-${name}/${number}`, 'x'.repeat(100), { qos: number % 3 === 0 ? 2 : 1 });
      }
    };
    await Promise.all(Array.from({ length: senderCount }, sendNext));
    expect(topicsOf(`burst-${name}/`)).toEqual(
      Array.from({ length: MESSAGE_COUNT }, (_, number) => `burst-${name}/${number}`),
    );
    expect(tcp.host.inProcessPeak).toBeLessThanOrEqual(20);
    await client.endAsync();
  }, 30_000);

  it('is taken over by its newer connection and fires its will', async () => {
    const clientId = `twice-${name}`;
    const first = await connect({
      ...protocol,
      clientId,
      will: { topic: `will/${name}`, payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    const closed = new Promise<void>((resolve) => {
      first.on('close', () => resolve());
    });
    const second = await connect({ ...protocol, clientId });
    await closed;
    expect(tcp.host.ended).toContain(`${clientId} takenOver`);
    expect(tcp.host.wills).toContain(`will/${name}`);
    await second.publishAsync('still/there', '1', { qos: 1 });
    await second.endAsync();
  });

  it('is refused with a wrong password', async () => {
    await expect(connect({ ...protocol, username: 'u', password: 'wrong' })).rejects.toThrow(
      /password|credentials|Not authorized/i,
    );
  });
});

describe('MQTT.js with MQTT 5 alone', () => {
  it('gets the reason of a refused publish and of a refused filter', async () => {
    const client = await connect({ protocolVersion: 5 });
    await expect(client.publishAsync('refused', 'x', { qos: 1 })).rejects.toMatchObject({ code: 0x99 });
    const grants = await client.subscribeAsync(['mine', 'theirs']).catch((error: unknown) => error);
    expect(JSON.stringify(grants)).toContain('135');
    await client.endAsync();
  });

  it('is told when it goes past the receive maximum', async () => {
    const client = await connect({ protocolVersion: 5 });
    const told = new Promise<number | undefined>((resolve) => {
      client.on('disconnect', (packet) => resolve(packet.reasonCode));
    });
    for (let number = 0; number < 500; number++) client.publish('too/many', 'x', { qos: 1 }, () => undefined);
    await expect(told).resolves.toBe(0x93);
    await client.endAsync(true);
  });

  it('uses topic aliases, user properties and content types', async () => {
    const client = await connect({ protocolVersion: 5, autoAssignTopicAlias: true });
    for (let number = 0; number < 5; number++) {
      await client.publishAsync('aliased/topic', `${number}`, {
        qos: 1,
        properties: { contentType: 'text/plain', userProperties: { id: `m${number}` } },
      });
    }
    const messages = tcp.host.messages.filter(({ topic }) => topic === 'aliased/topic');
    expect(messages.map(({ userProperties }) => userProperties)).toEqual(
      [0, 1, 2, 3, 4].map((number) => [['id', `m${number}`]]),
    );
    expect(messages.every(({ contentType }) => contentType === 'text/plain')).toBe(true);
    await client.endAsync();
  });
});

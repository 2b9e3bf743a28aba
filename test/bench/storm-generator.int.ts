import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { LatencyHistogram, StormGenerator } from '@breakwater/bench';
import { generate, type IPublishPacket, parser as createParser } from 'mqtt-packet';

import { until } from '../src/platform-steps.ts';

const IN_FLIGHT_MAX = 32;

/** A server that does with PUBLISHes what a test wants. */
class ScriptedServer {
  readonly received: (IPublishPacket & { readonly client: string })[] = [];
  readonly sockets = new Set<Socket>();
  answer: (packet: IPublishPacket, socket: Socket) => void = acknowledge;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  seqsOf(client: string): readonly number[] {
    return this.received.filter((packet) => packet.client === client).map(seqOf);
  }

  #serve(socket: Socket): void {
    let client = '';
    this.sockets.add(socket);
    const parser = createParser({ protocolVersion: 4 });
    parser.on('packet', (packet) => {
      if (packet.cmd === 'connect') {
        client = packet.clientId;
        socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
      } else if (packet.cmd === 'publish') {
        this.received.push({ ...packet, client });
        this.answer(packet, socket);
      }
    });
    socket.on('data', (bytes) => parser.parse(bytes as Buffer));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
  }
}

describe('the load generator of a storm', () => {
  const server = new ScriptedServer();
  let port = 0;
  let generator: StormGenerator;

  beforeAll(async () => {
    port = await server.listen();
  });

  afterAll(() => server.close());

  afterEach(async () => {
    await generator.close();
    server.received.length = 0;
    server.answer = acknowledge;
  });

  async function opened(devices: number): Promise<StormGenerator> {
    const logins = Array.from({ length: devices }, (_, at) => ({ id: `device-${at}`, token: 'token' }));
    generator = new StormGenerator(logins, { host: '127.0.0.1', port });
    await generator.connect();
    return generator;
  }

  it('sends every event once and in order, and knows how many are acknowledged', async () => {
    const load = await opened(3);
    await load.run({ eventsPerSecond: 200, seconds: 1 });
    expect(await load.settle(30_000)).toBe(0);
    expect(load.outcomes()).toEqual([
      { id: 'device-0', acknowledged: 67, sent: 67 },
      { id: 'device-1', acknowledged: 67, sent: 67 },
      { id: 'device-2', acknowledged: 66, sent: 66 },
    ]);
    expect(server.seqsOf('device-2')).toEqual(Array.from({ length: 66 }, (_, at) => 1_000_000 + at));
    expect(server.received.every(({ dup }) => !dup)).toBe(true);
    expect(load.progress()).toMatchObject({ due: 200, acknowledged: 200, connectionsLost: 0, disordered: 0 });
  });

  it('keeps what is over the receive maximum, and counts its latency from when it was due', async () => {
    const held: (() => void)[] = [];
    server.answer = (packet, socket) => held.push(() => acknowledge(packet, socket));
    const load = await opened(1);
    await load.run({ eventsPerSecond: 200, seconds: 1 });
    expect(server.received).toHaveLength(IN_FLIGHT_MAX);
    server.answer = acknowledge;
    for (const answer of held) answer();
    expect(await load.settle(30_000)).toBe(0);
    expect(server.seqsOf('device-0')).toEqual(Array.from({ length: 200 }, (_, at) => 1_000_000 + at));
    // The first was due a second before anybody answered.
    expect(new LatencyHistogram(load.latencies()[0]).quantile(1)).toBeGreaterThan(900);
    const [first, last] = [server.received[0], server.received[199]].map(dueOf);
    expect((last ?? 0) - (first ?? 0)).toBeCloseTo(995, -1);
  });

  it('repeats what was not acknowledged when a connection is lost, with DUP and otherwise the same', async () => {
    server.answer = () => undefined;
    const load = await opened(1);
    await load.run({ eventsPerSecond: 50, seconds: 0.2 });
    await until('all ten to arrive', () => server.received.length === 10);
    const before = server.received.map(({ payload }) => String(payload));
    server.received.length = 0;
    server.answer = acknowledge;
    for (const socket of server.sockets) socket.destroy();
    expect(await load.settle(30_000)).toBe(0);
    expect(server.received.map(({ payload }) => String(payload))).toEqual(before);
    expect(server.received.every(({ dup }) => dup)).toBe(true);
    expect(load.progress()).toMatchObject({ connectionsLost: 1, acknowledged: 10 });
  });

  it('comes back after a cut of its own, which is not held against the platform', async () => {
    const load = await opened(20);
    const tookMs = await load.cutAll(200);
    expect(tookMs).toBeGreaterThan(0);
    expect(load.progress()).toMatchObject({ connected: 20, connectionsLost: 0 });
  });

  it('does not take an answer to another event for one to the oldest', async () => {
    const pending: IPublishPacket[] = [];
    server.answer = (packet, socket) => {
      pending.push(packet);
      if (pending.length < 2) return;
      for (const late of pending.splice(0).reverse()) acknowledge(late, socket);
    };
    const load = await opened(1);
    await load.run({ eventsPerSecond: 100, seconds: 0.02 });
    // The two answers may come one after the other.
    await until('both answers', () => load.progress().disordered + load.progress().acknowledged === 2);
    expect(load.progress()).toMatchObject({ disordered: 1, acknowledged: 1 });
  });

  it('gives up what was never sent, and nothing else', async () => {
    server.answer = () => undefined;
    const load = await opened(1);
    await load.run({ eventsPerSecond: 1_000, seconds: 0.1 });
    expect(load.giveUpUnsent()).toBe(100 - IN_FLIGHT_MAX);
    expect(await load.settle(100)).toBe(IN_FLIGHT_MAX);
  });
});

function acknowledge({ messageId }: IPublishPacket, socket: Socket): void {
  socket.write(generate({ cmd: 'puback', messageId: messageId ?? 0 }));
}

function eventOf(packet: IPublishPacket | undefined): {
  readonly ts: number;
  readonly values: { readonly seq: number };
} {
  return JSON.parse(String(packet?.payload)) as { ts: number; values: { seq: number } };
}

function seqOf(packet: IPublishPacket): number {
  return eventOf(packet).values.seq;
}

function dueOf(packet: IPublishPacket | undefined): number {
  return eventOf(packet).ts;
}

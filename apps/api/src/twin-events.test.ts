import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { deviceKey, type DeviceId, type DeviceKey, type Partition, type TenantId } from '@breakwater/twin';
import { partitionOf } from '@breakwater/wire';

import { TelemetryHub } from './live/telemetry-hub.ts';
import { TwinStreams } from './live/twin-stream.ts';
import { TwinReader } from './services/twin-reader.ts';
import { ADMIN_KEY, type Loose, MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

interface SseEvent {
  readonly event?: string;
  readonly id?: string;
  readonly data?: string;
  readonly retry?: string;
}

const platform = new MemoryPlatform({ streamQueueMax: 5, streamsMax: 3, heartbeatMs: 50 });
let port = 0;
beforeAll(async () => {
  await platform.start();
  await platform.app.listen(0, '127.0.0.1');
  port = (platform.app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => platform.stop());

/** One stream, read event by event. */
class EventStream {
  readonly #response: IncomingMessage;
  readonly #blocks: AsyncGenerator<string>;
  comments = 0;

  constructor(response: IncomingMessage) {
    this.#response = response;
    this.#blocks = blocksOf(response);
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  get headers(): IncomingMessage['headers'] {
    return this.#response.headers;
  }

  async nextBlock(): Promise<SseEvent> {
    const { value, done } = await this.#blocks.next();
    if (done === true) throw new Error('the stream ended');
    const event: Record<string, string> = {};
    for (const line of (value as string).split('\n')) {
      const colon = line.indexOf(':');
      if (colon === 0) this.comments += 1;
      else event[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
    }
    return event;
  }

  async next(): Promise<{ event: string; id: string; twin: Loose }> {
    for (;;) {
      const { event, id, data } = await this.nextBlock();
      if (event !== undefined && id !== undefined && data !== undefined) return { event, id, twin: JSON.parse(data) };
    }
  }

  close(): void {
    this.#response.destroy();
  }

  pause(): void {
    this.#response.pause();
  }
}

async function* blocksOf(response: IncomingMessage): AsyncGenerator<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      yield text.slice(0, end);
      text = text.slice(end + 2);
    }
  }
}

function open(id: string, headers: Record<string, string> = {}, method = 'GET'): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method,
      path: `/api/v1/devices/${id}/twin/events`,
      headers: { authorization: `Bearer ${ADMIN_KEY}`, ...headers },
    });
    request.on('response', (response) => {
      response.on('error', () => undefined);
      resolve(new EventStream(response));
    });
    request.on('error', reject);
    request.end();
  });
}

async function patch(id: string, desired: object): Promise<void> {
  const { status } = await platform.request('PATCH', `/api/v1/devices/${id}/twin`, { body: { desired } });
  expect(status).toBe(200);
}

describe('the event stream of a twin', () => {
  it('brings every change, with the id to resume after', async () => {
    await platform.device('sse-1');
    const stream = await open('sse-1');
    expect(stream.status).toBe(200);
    expect(stream.headers['content-type']).toContain('text/event-stream');
    const opening = await stream.nextBlock();
    expect(opening).toMatchObject({ retry: '2000', id: expect.any(String) });
    await patch('sse-1', { a: 1 });
    await patch('sse-1', { a: 2 });
    const first = await stream.next();
    expect(first).toMatchObject({
      event: 'twin',
      twin: { id: 'sse-1', version: 1, desired: { a: 1 }, change: { sections: ['desired'] } },
    });
    const second = await stream.next();
    expect(second.twin).toMatchObject({ version: 2, desired: { a: 2 } });
    stream.close();

    await patch('sse-1', { a: 3 });
    const resumed = await open('sse-1', { 'last-event-id': first.id });
    expect((await resumed.next()).twin.version).toBe(2);
    expect((await resumed.next()).twin.version).toBe(3);
    await patch('sse-1', { a: 4 });
    expect((await resumed.next()).twin.version).toBe(4);
    resumed.close();

    const fromStart = await open('sse-1', { 'last-event-id': opening.id as string });
    expect((await fromStart.next()).twin.version).toBe(1);
    fromStart.close();
  });

  it('brings telemetry, without an id and at most once a second', async () => {
    await platform.device('sse-t');
    await platform.device('sse-u');
    const stream = await open('sse-t');
    const { id } = await stream.nextBlock();
    const reads = jest.spyOn(platform.app.get(TwinReader), 'twinOf');
    await platform.sendTelemetry('sse-u', 0);
    const startedAt = performance.now();
    for (let value = 1; value <= 50; value += 1) await platform.sendTelemetry('sse-t', value);
    const values: number[] = [];
    while (values.at(-1) !== 50) {
      const block = await stream.nextBlock();
      // The device's creation is a change, too.
      if (block.event === undefined || block.event === 'twin') continue;
      expect(block).toEqual({ event: 'telemetry', data: expect.any(String) });
      const data: Loose = JSON.parse(block.data as string);
      expect(data).toEqual({ id: 'sse-t', telemetry: { temp: { ts: expect.any(Number), value: expect.any(Number) } } });
      values.push(data.telemetry.temp.value);
    }
    const pauses = Math.floor((performance.now() - startedAt) / 1_000);
    expect(values.length).toBeLessThanOrEqual(pauses + 1);
    expect(reads.mock.calls.map(([{ device }]) => device)).toEqual(values.map(() => 'sse-t'));
    reads.mockRestore();
    await patch('sse-t', { a: 1 });
    const change = await stream.next();
    expect(change).toMatchObject({ event: 'twin', twin: { telemetry: { temp: { value: 50 } } } });
    stream.close();
    const resumed = await open('sse-t', { 'last-event-id': id as string });
    expect((await resumed.next()).id).toBe(change.id);
    resumed.close();
  });

  it('keeps of telemetry only the newest for a slow reader', async () => {
    await platform.device('sse-v');
    const hub = platform.app.get(TelemetryHub);
    const streams = platform.app.get(TwinStreams);
    const stream = await streams.open({ tenant: 'default' as TenantId, device: 'sse-v' as DeviceId, after: null });
    const device = await platform.app.get(TwinReader).device('default' as TenantId, 'sse-v' as DeviceId);
    const told: Loose[] = [];
    const unlisten = await hub.listen(device, (document) => told.push(document));
    for (let value = 1; value <= 3; value += 1) {
      await platform.sendTelemetry('sse-v', value);
      await waitUntil(async () => told.at(-1)?.telemetry.temp?.value === value);
    }
    let notice: Loose = (await stream.notices.next()).value;
    while (notice.kind === 'change') notice = (await stream.notices.next()).value;
    expect(notice).toMatchObject({ kind: 'telemetry', document: told.at(-1) });
    await patch('sse-v', { a: 1 });
    expect((await stream.notices.next()).value).toMatchObject({ kind: 'change' });
    unlisten();
    stream.close();
  });

  it('goes on with telemetry after the twins could not be read', async () => {
    await platform.device('sse-w');
    const stream = await open('sse-w');
    await stream.nextBlock();
    const away = jest.spyOn(platform.app.get(TwinReader), 'twinOf').mockRejectedValueOnce(new Error('away'));
    const { partition, key } = placeOf('sse-w');
    await platform.telemetryHints.publish(partition, [key]);
    let block = await stream.nextBlock();
    while (block.event !== 'telemetry') block = await stream.nextBlock();
    expect(away.mock.calls.length).toBe(2);
    away.mockRestore();
    stream.close();
  });

  it('brings no change of another device and keeps quiet streams open', async () => {
    await platform.device('sse-2');
    await platform.device('sse-3');
    const stream = await open('sse-2');
    await stream.nextBlock();
    await patch('sse-3', { a: 1 });
    while (stream.comments < 3) await stream.nextBlock();
    await patch('sse-2', { mine: true });
    expect((await stream.next()).twin).toMatchObject({ id: 'sse-2', version: 1 });
    stream.close();
  });

  it('tells of a gap, and how the twin is now, when the feed no longer has what was missed', async () => {
    const small = await new MemoryPlatform({ entriesKept: 2, partitionCount: 1 }).start();
    await small.device('sse-4');
    const streams = small.app.get(TwinStreams);
    for (let n = 0; n < 5; n += 1)
      await small.request('PATCH', '/api/v1/devices/sse-4/twin', { body: { desired: { n } } });
    const stream = await streams.open({ tenant: 'default' as TenantId, device: 'sse-4' as DeviceId, after: '0' });
    const gap: Loose = (await stream.notices.next()).value;
    expect(gap).toMatchObject({ kind: 'gap', document: { version: 5, desired: { n: 4 } } });
    await small.request('PATCH', '/api/v1/devices/sse-4/twin', { body: { desired: { n: 'after' } } });
    const change: Loose = (await stream.notices.next()).value;
    expect(JSON.parse(change.entry.change.document)).toMatchObject({ version: 6, desired: { n: 'after' } });
    expect(Number(change.cursor)).toBe(Number(gap.cursor) + 1);
    stream.close();
    await small.stop();
  });

  it('drops the queue of a slow reader instead of growing, and says so', async () => {
    await platform.device('sse-5');
    const streams = platform.app.get(TwinStreams);
    const stream = await streams.open({ tenant: 'default' as TenantId, device: 'sse-5' as DeviceId, after: null });
    for (let n = 0; n < 10; n += 1) await patch('sse-5', { n });
    const seen: Loose[] = [];
    const version = (notice: Loose): number => (notice.document ?? JSON.parse(notice.entry.change.document)).version;
    while (!seen.some((notice) => version(notice) === 10)) seen.push((await stream.notices.next()).value);
    expect(seen.length).toBeLessThanOrEqual(7);
    expect(seen.some(({ kind }) => kind === 'gap')).toBe(true);
    stream.close();
  });

  it('brings a change once that the feed holds twice', async () => {
    await platform.device('sse-7');
    const streams = platform.app.get(TwinStreams);
    const stream = await streams.open({ tenant: 'default' as TenantId, device: 'sse-7' as DeviceId, after: null });
    await patch('sse-7', { n: 1 });
    let first: Loose = (await stream.notices.next()).value;
    while (JSON.parse(first.entry.change.document).version !== 1) first = (await stream.notices.next()).value;
    const { partition, change } = first.entry;
    await platform.changes.publish(partition, [change, { ...change, changeNumber: change.changeNumber - 1 }]);
    await patch('sse-7', { n: 2 });
    const second: Loose = (await stream.notices.next()).value;
    expect(second.entry.change.changeNumber).toBe(change.changeNumber + 1);
    stream.close();
  });

  it('is limited in number, and frees a place when a client leaves', async () => {
    await platform.device('sse-6');
    const open3 = [await open('sse-6'), await open('sse-6'), await open('sse-6')];
    const refused = await open('sse-6');
    expect(refused.status).toBe(503);
    refused.close();
    for (const stream of open3) stream.close();
    await waitUntil(async () => {
      const again = await open('sse-6');
      again.close();
      return again.status === 200;
    });
  });

  it.each([
    ['nobody', {}, 404],
    ['sse-1', { 'last-event-id': 'nonsense' }, 400],
    ['sse-1', { 'last-event-id': '1; DROP' }, 400],
    ['sse-1', { authorization: 'Bearer wrong-key-that-nobody-knows' }, 401],
  ])('answers a problem for %s with %j', async (id, headers, status) => {
    const stream = await open(id, headers as Record<string, string>);
    expect(stream.status).toBe(status);
    expect(stream.headers['content-type']).toContain('application/problem+json');
    stream.close();
  });

  it('ends a HEAD at once', async () => {
    const stream = await open('sse-1', {}, 'HEAD');
    expect(stream.status).toBe(200);
    await expect(stream.nextBlock()).rejects.toThrow('ended');
  });
});

function placeOf(device: string): { partition: Partition; key: DeviceKey } {
  const key = deviceKey('default' as TenantId, device as DeviceId);
  return { key, partition: partitionOf(key, platform.options.partitionCount) };
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the condition was never met');
}

import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { TenantId } from '@breakwater/twin';

import { CommandStreams } from './live/command-streams.ts';
import { CommandHub } from './live/command-hub.ts';
import { CommandReader } from './services/command-reader.ts';
import { ADMIN_KEY, type Loose, MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const TENANT = 'default' as TenantId;
const STREAMS_MAX = 3;

interface SseEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly isComment?: true;
}

const platform = new MemoryPlatform({ streamsMax: STREAMS_MAX, heartbeatMs: 50 });
beforeAll(async () => {
  await platform.start();
  await platform.app.listen(0, '127.0.0.1');
});
afterAll(() => platform.stop());

class CommandEvents {
  readonly #response: IncomingMessage;
  readonly #blocks: AsyncGenerator<SseEvent>;

  constructor(response: IncomingMessage) {
    this.#response = response;
    response.on('error', () => undefined);
    this.#blocks = blocksOf(response);
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  get type(): string {
    return this.#response.headers['content-type'] ?? '';
  }

  /** The next block of whatever kind; null at the end of the stream. */
  async block(): Promise<SseEvent | null> {
    const { value, done } = await this.#blocks.next();
    return done === true ? null : (value as SseEvent);
  }

  /** The next event; null at the end of the stream. */
  async next(): Promise<{ readonly id: string; readonly command: Loose } | null> {
    for (let block = await this.block(); block !== null; block = await this.block()) {
      if (block.data === undefined) continue;
      expect(block.event).toBe('command');
      return { id: block.id ?? '', command: JSON.parse(block.data) };
    }
    return null;
  }

  close(): void {
    this.#response.destroy();
  }
}

async function* blocksOf(response: IncomingMessage): AsyncGenerator<SseEvent> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      yield Object.fromEntries(
        lines.map((line) =>
          line.startsWith(':')
            ? ['isComment', true]
            : [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)],
        ),
      ) as SseEvent;
      text = text.slice(end + 2);
    }
  }
}

interface OpenOptions {
  readonly seen?: string;
  readonly key?: string;
  readonly method?: string;
}

function open(commandId: string, { seen, key = ADMIN_KEY, method = 'GET' }: OpenOptions = {}): Promise<CommandEvents> {
  const { port } = platform.app.getHttpServer().address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method,
      path: `/api/v1/commands/${commandId}/events`,
      headers: { authorization: `Bearer ${key}`, ...(seen === undefined ? {} : { 'last-event-id': seen }) },
    });
    request.on('response', (response) => resolve(new CommandEvents(response)));
    request.on('error', reject);
    request.end();
  });
}

/** A device that is connected and was ordered something. */
async function ordered(id: string): Promise<string> {
  await platform.device(id);
  await platform.tellTwin(id, { kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' });
  await platform.tellTwin(id, { kind: 'commandsSubscribed' });
  const answer = await platform.request('POST', `/api/v1/devices/${id}/commands`, { body: { method: 'm' } });
  expect(answer.status).toBe(202);
  return answer.body.commandId as string;
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('the event stream of a command', () => {
  it('brings every transition and ends with the command; who comes back gets 204', async () => {
    const commandId = await ordered('ce-1');
    const stream = await open(commandId);
    expect(stream).toMatchObject({ status: 200, type: expect.stringContaining('text/event-stream') });
    const states: string[] = [];
    const steps: Record<string, () => Promise<void>> = {
      QUEUED: () => platform.tellTwin('ce-1', { kind: 'commandDelivery', commandId, dispatch: 1, outcome: 'sent' }),
      SENT: () => platform.tellTwin('ce-1', { kind: 'commandDelivery', commandId, dispatch: 1, outcome: 'delivered' }),
      DELIVERED: () => platform.tellTwin('ce-1', { kind: 'commandProgressed', commandId, percent: 10 }),
      IN_PROGRESS: () => platform.tellTwin('ce-1', { kind: 'commandAnswered', commandId, status: 'SUCCEEDED' }),
    };
    let last = '';
    for (let event = await stream.next(); event !== null; event = await stream.next()) {
      last = event.id;
      const { state, transitions } = event.command;
      expect(transitions.at(-1).state).toBe(state);
      expect(event.id).toMatch(new RegExp(`^${transitions.length}-`));
      if (states.at(-1) === state) continue;
      states.push(state);
      await steps[state]?.();
    }
    expect(states).toEqual(['QUEUED', 'SENT', 'DELIVERED', 'IN_PROGRESS', 'SUCCEEDED']);
    expect((await open(commandId, { seen: last })).status).toBe(204);
    const afresh = await open(commandId);
    expect((await afresh.next())?.command.state).toBe('SUCCEEDED');
    expect(await afresh.next()).toBeNull();
  });

  it('resumes with what changed meanwhile, progress too, and says nothing twice', async () => {
    const commandId = await ordered('ce-2');
    await platform.tellTwin('ce-2', { kind: 'commandProgressed', commandId, percent: 10 });
    const reader = platform.app.get(CommandReader);
    await waitUntil(async () => (await reader.command(TENANT, commandId)).progress?.percent === 10);
    const stream = await open(commandId);
    const { id } = (await stream.next()) as Loose;
    stream.close();
    const same = await open(commandId, { seen: id });
    await platform.tellTwin('ce-2', { kind: 'commandProgressed', commandId, percent: 20 });
    expect((await same.next())?.command.progress).toEqual({ percent: 20 });
    same.close();
    const behind = await open(commandId, { seen: id });
    expect((await behind.next())?.command.progress).toEqual({ percent: 20 });
    behind.close();
    const strange = await open(commandId, { seen: 'nonsense, that no stream ever said' });
    expect((await strange.next())?.command.progress).toEqual({ percent: 20 });
    strange.close();
  });

  it('is open at once, and kept open, while there is nothing to tell', async () => {
    const commandId = await ordered('ce-3');
    const stream = await open(commandId);
    const { id } = (await stream.next()) as Loose;
    stream.close();
    const quiet = await open(commandId, { seen: id });
    expect(quiet.status).toBe(200);
    expect(await quiet.block()).toMatchObject({ id, isComment: true });
    for (let beats = 0; beats < 3; beats += 1) expect(await quiet.block()).toEqual({ isComment: true });
    quiet.close();
    const head = await open(commandId, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(await head.block()).toBeNull();
  });

  it('is told of changes that no hint tells of', async () => {
    const commandId = await ordered('ce-4');
    const publish = jest.spyOn(platform.commandHints, 'publish').mockResolvedValue(undefined);
    const stream = await open(commandId);
    await stream.next();
    await platform.tellTwin('ce-4', { kind: 'commandAnswered', commandId, status: 'REJECTED', reason: 'busy' });
    expect((await stream.next())?.command.state).toBe('REJECTED');
    publish.mockRestore();
  });

  it('is limited in number, frees the places of clients that leave, and leaks none that cannot be opened', async () => {
    const commandId = await ordered('ce-5');
    const follow = jest.spyOn(platform.app.get(CommandHub), 'follow');
    for (let at = 0; at < STREAMS_MAX; at += 1) {
      follow.mockRejectedValueOnce(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
      expect((await open(commandId)).status).toBe(503);
    }
    follow.mockRestore();
    const streams: CommandEvents[] = [];
    for (let at = 0; at < STREAMS_MAX; at += 1) streams.push(await open(commandId));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    const refused = await platform.request('GET', `/api/v1/commands/${commandId}/events`);
    expect(refused).toMatchObject({ status: 503, body: { code: 'STREAM_LIMIT' } });
    for (const stream of streams) stream.close();
    await waitUntil(async () => {
      const again = await open(commandId);
      again.close();
      return again.status === 200;
    });
  });

  it('answers 404 to another tenant and for what there is not, 401 to strangers', async () => {
    const commandId = await ordered('ce-6');
    const key = await platform.tenant('ce-tenant');
    expect(await open(commandId, { key })).toMatchObject({ status: 404, type: expect.stringContaining('problem') });
    expect((await open('no-such')).status).toBe(404);
    expect((await open('a%2Fb')).status).toBe(400);
    expect((await open(commandId, { key: 'wrong-key-that-nobody-knows' })).status).toBe(401);
  });

  it('ends when the process stops, and so do those who wait for an end', async () => {
    const small = new MemoryPlatform();
    await small.start();
    await small.device('ce-7');
    const send = (wait: string): Promise<Loose> =>
      small.request('POST', '/api/v1/devices/ce-7/commands', {
        body: { method: 'm', commandId: 'ce-7' },
        headers: { prefer: `wait=${wait}` },
      });
    expect((await send('0')).status).toBe(202);
    const stream = await small.app.get(CommandStreams).open(TENANT, 'ce-7');
    expect((await stream.notices.next()).value).toMatchObject({ view: { state: 'QUEUED' } });
    const next = stream.notices.next();
    const waiting = send('60');
    const follow = jest.spyOn(small.app.get(CommandHub), 'follow');
    await waitUntil(async () => follow.mock.calls.length > 0);
    await small.stop();
    expect((await next).done).toBe(true);
    expect((await waiting).status).toBe(202);
  });
});

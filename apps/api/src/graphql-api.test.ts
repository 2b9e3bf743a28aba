import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { ADMIN_KEY, type Loose, MemoryPlatform, type Answer } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const platform = new MemoryPlatform();
let port = 0;
beforeAll(async () => {
  await platform.start();
  await platform.app.listen(0, '127.0.0.1');
  port = (platform.app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => platform.stop());

function ask(query: string, variables: object = {}, key: string | null = ADMIN_KEY): Promise<Answer> {
  return platform.request('POST', '/graphql', { key, body: { query, variables } });
}

function client(key: string | null) {
  return createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    lazy: true,
    retryAttempts: 0,
    ...(key === null ? {} : { connectionParams: { authorization: `Bearer ${key}` } }),
  });
}

const UPDATE = `mutation ($input: UpdateDesiredInput!) {
  updateDesired(input: $input) {
    clientMutationId
    twin { deviceId version desired delta tags }
    error { __typename ... on Refusal { code message } ... on WritePending { operationId } }
  }
}`;

describe('GraphQL over HTTP', () => {
  it('is closed to strangers, its schema too', async () => {
    const answer = await ask('{ __schema { types { name } } }', {}, null);
    expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    const upgrade = await platform.request('GET', '/graphql?query={__typename}', {
      key: null,
      headers: { upgrade: 'websocket' },
    });
    expect(upgrade.status).not.toBe(200);
    expect((await ask('{ __schema { types { name } } }')).body.data.__schema.types.length).toBeGreaterThan(10);
  });

  it('reads devices with twins and telemetry', async () => {
    await platform.device('gql-1');
    await platform.device('gql-2');
    platform.telemetry.points = [{ tsMs: Date.now() - 5, key: 'a', value: { b: 1 } }];
    const { body } = await ask(`{
      device(id: "gql-1") {
        id deviceId incarnation payloadFormat isGateway via twin { version desired presence }
        telemetry(limit: 1) { items { key value } nextCursor }
      }
      missing: device(id: "nobody") { id }
      twin(deviceId: "gql-2") { deviceId reported }
      telemetry(deviceId: "gql-2", keys: ["a"]) { items { key value } }
      devices(first: 1) { edges { cursor node { deviceId } } pageInfo { hasNextPage endCursor } }
    }`);
    expect(body.errors).toBeUndefined();
    expect(body.data).toMatchObject({
      device: {
        deviceId: 'gql-1',
        incarnation: 1,
        payloadFormat: 'auto',
        isGateway: false,
        via: null,
        twin: { version: 0, desired: {} },
        telemetry: { items: [{ key: 'a', value: { b: 1 } }] },
      },
      missing: null,
      twin: { deviceId: 'gql-2', reported: {} },
      telemetry: { items: [{ key: 'a', value: { b: 1 } }] },
      devices: { edges: [{ node: { deviceId: 'gql-1' } }], pageInfo: { hasNextPage: true } },
    });
    const node = await ask('query ($id: ID!) { node(id: $id) { id ... on Device { deviceId } } }', {
      id: body.data.device.id,
    });
    expect(node.body.data.node).toEqual({ id: body.data.device.id, deviceId: 'gql-1' });
    const { endCursor } = body.data.devices.pageInfo;
    const next = await ask('query ($after: String) { devices(first: 1, after: $after) { nodes { deviceId } } }', {
      after: endCursor,
    });
    expect(next.body.data.devices.nodes).toEqual([{ deviceId: 'gql-2' }]);
  });

  it('changes desired state, and answers expected failures as data', async () => {
    await platform.device('gql-3');
    const input = { deviceId: 'gql-3', desired: { a: { b: 1 } }, tags: { site: 'x' }, clientMutationId: 'm1' };
    expect((await ask(UPDATE, { input })).body.data.updateDesired).toEqual({
      clientMutationId: 'm1',
      twin: { deviceId: 'gql-3', version: 1, desired: { a: { b: 1 } }, delta: { a: { b: 1 } }, tags: { site: 'x' } },
      error: null,
    });
    const conflict = await ask(UPDATE, { input: { ...input, expectedVersion: 0 } });
    expect(conflict.body.data.updateDesired).toMatchObject({
      twin: null,
      error: { __typename: 'VersionConflict', code: 'TWIN_VERSION_CONFLICT' },
    });
    const missing = await ask(UPDATE, { input: { ...input, deviceId: 'nobody' } });
    expect(missing.body.data.updateDesired.error).toMatchObject({ __typename: 'DeviceNotFound' });
    const large = await ask(UPDATE, { input: { deviceId: 'gql-3', desired: { a: 'x'.repeat(66_000) } } });
    expect(large.body.data.updateDesired.error).toMatchObject({ __typename: 'PatchRefused', code: 'TWIN_TOO_LARGE' });
    const literal = await ask(
      `mutation {
        updateDesired(input: { deviceId: "gql-3", desired: { n: null, l: [1, 2.5, true, "t"] } }) { twin { desired } }
      }`,
    );
    expect(literal.body.data.updateDesired.twin.desired).toEqual({ a: { b: 1 }, l: [1, 2.5, true, 't'] });
  });

  it('creates devices', async () => {
    const create = `mutation ($input: CreateDeviceInput!) {
        createDevice(input: $input) { token device { deviceId } error { __typename } }
      }`;
    const created = await ask(create, { input: { deviceId: 'gql-4' } });
    expect(created.body.data.createDevice).toMatchObject({
      device: { deviceId: 'gql-4' },
      token: expect.any(String),
      error: null,
    });
    const again = await ask(create, { input: { deviceId: 'gql-4' } });
    expect(again.body.data.createDevice).toEqual({ device: null, token: null, error: { __typename: 'DeviceExists' } });
  });

  it('keeps tenants apart', async () => {
    const key = await platform.tenant('gql-tenant');
    await platform.device('gql-mine');
    const { body } = await ask(
      '{ device(id: "gql-mine") { id } twin(deviceId: "gql-mine") { version } devices { nodes { deviceId } } }',
      {},
      key,
    );
    expect(body.data).toEqual({ device: null, twin: null, devices: { nodes: [] } });
    const write = await ask(UPDATE, { input: { deviceId: 'gql-mine', desired: {} } }, key);
    expect(write.body.data.updateDesired.error).toMatchObject({ __typename: 'DeviceNotFound' });
  });

  it.each([
    ['{ nonsense }', 'REQUEST_INVALID'],
    ['{', 'REQUEST_INVALID'],
    ['0', 'REQUEST_INVALID'],
    ['subscription { twinChanged(deviceId: "gql-1") { cursor } }', 'REQUEST_INVALID'],
    ['{ device(id: "a b") { id } }', 'REQUEST_INVALID'],
    ['{ devices(first: 0) { nodes { id } } }', 'REQUEST_INVALID'],
    ['{ devices(first: 1000000000) { nodes { id } } }', 'REQUEST_INVALID'],
    ['{ devices(after: "forged") { nodes { id } } }', 'CURSOR_INVALID'],
    [
      `{ __schema { types { fields { type ${'{ ofType '.repeat(8)} { name } ${'} '.repeat(8)} } } } }`,
      'REQUEST_INVALID',
    ],
  ])('answers %s with %s', async (query, code) => {
    const { status, body } = await ask(query);
    expect(status).toBeLessThan(500);
    expect(body.errors?.[0]?.extensions?.code).toBe(code);
  });

  it('says what is wrong with a query', async () => {
    const { status, body } = await ask('{ devices { nonsense } }');
    expect(status).toBe(400);
    expect(body.errors[0].message).toContain('Cannot query field "nonsense"');
    expect(body.errors[0].locations).toEqual([{ line: 1, column: 13 }]);
  });

  it('does not let aliases multiply what a request costs', async () => {
    await platform.device('gql-dear');
    const field = (at: number): string => `a${at}: device(id: "gql-dear") { telemetry { items { key } } }`;
    const many = (count: number): string => `{ ${Array.from({ length: count }, (_, at) => field(at)).join(' ')} }`;
    expect((await ask(many(40))).body.errors).toBeUndefined();
    expect((await ask(many(60))).body.errors[0]).toMatchObject({ extensions: { code: 'REQUEST_INVALID' } });
  });

  it('takes no batches and no arrays', async () => {
    const answer = await platform.request('POST', '/graphql', { body: [{ query: '{ __typename }' }] });
    expect(answer.status).toBe(400);
  });
});

describe('GraphQL over WebSocket', () => {
  it('follows the changes of a twin and resumes behind a cursor', async () => {
    await platform.device('live-1');
    const followed = client(ADMIN_KEY);
    const query = `subscription ($after: String) {
        twinChanged(deviceId: "live-1", after: $after) { cursor gap twin { version desired } }
      }`;
    const changes = followed.iterate({ query });
    const first = changes.next();
    await patchUntil('live-1', first);
    const { data } = (await first).value as Loose;
    expect(data.twinChanged).toMatchObject({ gap: false, twin: { desired: { n: expect.any(Number) } } });
    await changes.return?.();
    await platform.request('PATCH', '/api/v1/devices/live-1/twin', { body: { desired: { n: 'missed' } } });
    const resumed = followed.iterate({ query, variables: { after: data.twinChanged.cursor } });
    let change = ((await resumed.next()).value as Loose).data.twinChanged;
    while (change.twin.desired.n !== 'missed') change = ((await resumed.next()).value as Loose).data.twinChanged;
    expect(change.gap).toBe(false);
    await resumed.return?.();
    await followed.dispose();
  });

  it('follows telemetry, under the cursor of the last change', async () => {
    await platform.device('live-t');
    const followed = client(ADMIN_KEY);
    const query = `subscription {
      twinChanged(deviceId: "live-t") { deviceId cursor gap sections twin { telemetry } }
    }`;
    const changes = followed.iterate({ query });
    const first = changes.next();
    await patchUntil('live-t', first);
    let change = ((await first).value as Loose).data.twinChanged;
    expect(change.sections).toContain('desired');
    await platform.sendTelemetry('live-t', 7);
    let { cursor } = change;
    while (change.sections[0] !== 'telemetry') {
      ({ cursor } = change);
      change = ((await changes.next()).value as Loose).data.twinChanged;
    }
    expect(change).toMatchObject({
      deviceId: 'live-t',
      gap: false,
      cursor,
      sections: ['telemetry'],
      twin: { telemetry: { temp: { value: 7 } } },
    });
    await changes.return?.();
    await followed.dispose();
  });

  it('is closed to strangers and to other tenants', async () => {
    for (const key of [null, 'wrong-key-that-nobody-knows']) {
      const stranger = client(key);
      const changes = stranger.iterate({ query: 'subscription { twinChanged(deviceId: "live-1") { cursor } }' });
      await expect(changes.next()).rejects.toBeDefined();
      await stranger.dispose();
    }
    await platform.device('live-2');
    const other = client(await platform.tenant('live-tenant'));
    const changes = other.iterate({ query: 'subscription { twinChanged(deviceId: "live-2") { cursor } }' });
    const outcome: Loose = await changes.next().catch((error: unknown) => ({ error }));
    expect(outcome.error ?? outcome.value?.errors).toBeDefined();
    await other.dispose();
  });
});

const SEND = `mutation ($input: SendCommandInput!) {
  sendCommand(input: $input) {
    clientMutationId
    command { commandId deviceId method params state deadline attempts transitions { state } mayHaveRun }
    error { __typename ... on Refusal { code message } ... on CommandsUnavailable { commandId } }
  }
}`;
const CANCEL = `mutation ($input: CancelCommandInput!) {
  cancelCommand(input: $input) {
    command { commandId state mayHaveRun transitions { state reason } }
    error { __typename ... on Refusal { code } }
  }
}`;

describe('commands in GraphQL', () => {
  const send = async (input: object): Promise<Loose> => (await ask(SEND, { input })).body.data.sendCommand;
  const cancel = async (input: object): Promise<Loose> => (await ask(CANCEL, { input })).body.data.cancelCommand;

  it('are ordered, read and canceled', async () => {
    await platform.device('gql-c1');
    const input = {
      deviceId: 'gql-c1',
      commandId: 'gc1',
      method: 'reboot',
      params: { delayMs: 5 },
      timeoutSeconds: 60,
    };
    const sent = await send({ ...input, clientMutationId: 'm1', retry: { attempts: 2, maxMs: null } });
    expect(sent).toMatchObject({
      clientMutationId: 'm1',
      command: { commandId: 'gc1', deviceId: 'gql-c1', params: { delayMs: 5 }, state: 'QUEUED', attempts: 0 },
      error: null,
    });
    const read = await ask(`{
      command(commandId: "gc1") { method result late { state } progress { percent } resultTooLarge deliveryUnknown }
      nothing: command(commandId: "no-such") { method }
      device(id: "gql-c1") {
        commands(state: QUEUED, limit: 5) { items { commandId } nextCursor }
        others: commands(state: SUCCEEDED) { items { commandId } }
      }
    }`);
    expect(read.body.data).toEqual({
      command: {
        method: 'reboot',
        result: null,
        late: null,
        progress: null,
        resultTooLarge: false,
        deliveryUnknown: false,
      },
      nothing: null,
      device: { commands: { items: [{ commandId: 'gc1' }], nextCursor: null }, others: { items: [] } },
    });
    const canceled = await cancel({ commandId: 'gc1', reason: 'no need' });
    expect(canceled.command).toMatchObject({ state: 'CANCELED', mayHaveRun: false });
    expect(canceled.command.transitions.at(-1)).toEqual({ state: 'CANCELED', reason: 'no need' });
  });

  it('are the same under the same key, whichever way they are ordered', async () => {
    await platform.device('gql-c2');
    const body = { method: 'm', params: null };
    const byRest = await platform.request('POST', '/api/v1/devices/gql-c2/commands', {
      body,
      headers: { 'idempotency-key': 'gql-key' },
    });
    const sent = await send({ ...body, deviceId: 'gql-c2', idempotencyKey: 'gql-key' });
    expect(sent.command.commandId).toBe(byRest.body.commandId);
    const other = await send({ method: 'm', deviceId: 'gql-c2', idempotencyKey: 'gql-key' });
    expect(other).toMatchObject({ command: null, error: { __typename: 'CommandConflict', code: 'COMMAND_CONFLICT' } });
  });

  it('are refused by type', async () => {
    await platform.device('gql-c3');
    const input = { deviceId: 'gql-c3', method: 'm' };
    expect((await send({ ...input, deviceId: 'nobody' })).error.__typename).toBe('DeviceNotFound');
    expect((await send({ ...input, deadline: 1 })).error.__typename).toBe('CommandInvalid');
    const strange = await ask(SEND, { input: { ...input, deadline: Date.now() + 9_000, timeoutSeconds: 9 } });
    expect(strange.body.errors[0].extensions.code).toBe('REQUEST_INVALID');
    expect((await ask(SEND, { input: { ...input, commandId: 'a/b' } })).body.errors[0].message).toContain('commandId');
    expect((await cancel({ commandId: 'no-such' })).error.__typename).toBe('CommandNotFound');
    await platform.tellTwin('gql-c3', { kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' });
    await platform.tellTwin('gql-c3', { kind: 'commandsSubscribed' });
    const { command } = await send(input);
    expect((await cancel({ commandId: command.commandId })).error.__typename).toBe('CommandSent');
    const forced = await cancel({ commandId: command.commandId, force: true });
    expect(forced.command).toMatchObject({ state: 'CANCELED', mayHaveRun: true });
    const { command: answered } = await send({ ...input, commandId: 'gc3' });
    await platform.tellTwin('gql-c3', { kind: 'commandAnswered', commandId: answered.commandId, status: 'SUCCEEDED' });
    const ended = async (): Promise<Loose> => (await cancel({ commandId: 'gc3' })).error.__typename;
    while ((await ended()) !== 'CommandEnded') await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it('cost what is asked of stores for them', async () => {
    const fields = Array.from({ length: 201 }, (_, at) => `c${at}: command(commandId: "no-such") { method }`);
    const { body } = await ask(`{ ${fields.join(' ')} }`);
    expect(body.errors.at(-1).extensions.code).toBe('REQUEST_INVALID');
  });

  it('are followed over WebSocket until they have ended', async () => {
    await platform.device('gql-c4');
    await platform.tellTwin('gql-c4', { kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' });
    await platform.tellTwin('gql-c4', { kind: 'commandsSubscribed' });
    await send({ deviceId: 'gql-c4', method: 'm', commandId: 'gc4' });
    const followed = client(ADMIN_KEY);
    const states: string[] = [];
    const query = 'subscription { commandChanged(commandId: "gc4") { state result transitions { state } } }';
    for await (const { data } of followed.iterate({ query }) as AsyncIterable<Loose>) {
      states.push(data.commandChanged.state);
      if (data.commandChanged.state === 'QUEUED') {
        await platform.tellTwin('gql-c4', { kind: 'commandAnswered', commandId: 'gc4', status: 'FAILED', reason: 'r' });
      }
    }
    expect(states).toEqual(['QUEUED', 'FAILED']);
    const stranger = client(await platform.tenant('gql-commands-tenant'));
    const other: Loose = await stranger
      .iterate({ query })
      .next()
      .catch((error: unknown) => ({ error }));
    expect(other.error ?? other.value?.errors).toBeDefined();
    await stranger.dispose();
    await followed.dispose();
  });
});

describe('a WebSocket that does not behave', () => {
  const hasty = new MemoryPlatform({ webSocketInitTimeoutMs: 100, streamsMax: 2 });
  let url = '';
  beforeAll(async () => {
    await hasty.start();
    await hasty.app.listen(0, '127.0.0.1');
    url = `ws://127.0.0.1:${(hasty.app.getHttpServer().address() as AddressInfo).port}/graphql`;
  });
  afterAll(() => hasty.stop());

  function opened(protocols: string[]): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, protocols);
      socket.on('open', () => resolve(socket));
      socket.on('error', reject);
    });
  }

  it('is refused with another protocol', async () => {
    await expect(opened(['graphql-ws'])).rejects.toThrow('400');
    await expect(opened([])).rejects.toThrow('400');
    await expect(opened(['other', 'graphql-transport-ws'])).rejects.toThrow('400');
  });

  it('is closed when it does not say who it is, and they are limited in number', async () => {
    const sockets = [await opened(['graphql-transport-ws']), await opened(['graphql-transport-ws'])];
    const closed = sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve)));
    await expect(opened(['graphql-transport-ws'])).rejects.toThrow('503');
    expect(await Promise.all(closed)).toEqual([1006, 1006]);
  });

  it.each(['null', '[]', '7', 'no JSON', '{"type":"subscribe","id":"1"}', '{"type":"connection_init","payload":7}'])(
    'does no harm by %s',
    async (text) => {
      const socket = await opened(['graphql-transport-ws']);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.send(text);
      await closed;
      expect((await hasty.request('GET', '/health/live')).status).toBe(200);
    },
  );
});

/** A subscription begins some time after it was asked for, so the twin is changed until the first change arrives. */
async function patchUntil(id: string, arrived: Promise<unknown>): Promise<void> {
  let done = false;
  void arrived.finally(() => (done = true));
  for (let n = 0; !done; n += 1) {
    await platform.request('PATCH', `/api/v1/devices/${id}/twin`, { body: { desired: { n } } });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

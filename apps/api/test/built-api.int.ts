import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@breakwater/free-port';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { connectRedis, RedisTelemetryHints } from '@breakwater/adapter-redis';
import { createLogger } from '@breakwater/observability';
import type { DeviceKey, Partition } from '@breakwater/twin';

const KEY = 'the-admin-key-of-this-test';
const MAIN = new URL('../dist/main.js', import.meta.url).pathname;
const START_TIMEOUT_MS = 30_000;

let folder = '';
let redis: ChildProcess;
let api: ChildProcess;
let url = '';

/** Starts the built program as `npm start` does. ClickHouse is away on purpose: the API must not lean on it. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bw-api-'));
  const socket = join(folder, 'redis.sock');
  redis = startRedis();
  const [httpPort, awayPort] = [await freePort(), await freePort()];
  url = `http://127.0.0.1:${httpPort}`;
  const started = await startApi({
    REDIS_URL: `unix://${socket}`,
    CLICKHOUSE_URL: `http://127.0.0.1:${awayPort}`,
    ADMIN_API_KEY: KEY,
    HTTP_PORT: String(httpPort),
    BIND_HOST: '127.0.0.1',
    PARTITIONS: '4',
    API_WRITE_TIMEOUT_MS: '300',
  });
  api = started.child;
  expect(await started.firstEvent).toBe('ready');
}, START_TIMEOUT_MS);

afterAll(async () => {
  for (const child of [api, redis]) {
    if (child === undefined || child.exitCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
}, START_TIMEOUT_MS);

describe('the built API', () => {
  it('serves REST, GraphQL, its reference page and metrics over a real Redis', async () => {
    const ready = await ask('GET', '/health/ready');
    expect(ready.body.degraded.map(({ part }: { part: string }) => part)).toContain('clickhouse');
    const created = await ask('POST', '/api/v1/devices', { id: 'pump-1' });
    expect(created).toMatchObject({ status: 201, body: { id: 'pump-1', token: expect.any(String) } });
    expect((await ask('GET', '/api/v1/devices/pump-1/twin')).body).toMatchObject({ id: 'pump-1', version: 0 });
    expect((await ask('GET', '/api/v1/devices?limit=1')).body.items).toHaveLength(1);
    const tenant = await ask('POST', '/api/v1/tenants', { id: 'acme' });
    expect(tenant.body.apiKey).toMatch(/^bw_/);
    expect((await ask('GET', '/api/v1/devices', undefined, tenant.body.apiKey)).body.items).toEqual([]);
    const graphql = await ask('POST', '/graphql', { query: '{ device(id: "pump-1") { deviceId } }' });
    expect(graphql.body.data.device.deviceId).toBe('pump-1');
    expect((await ask('GET', '/api/openapi.json')).body.openapi).toMatch(/^3\.1\./);
    expect((await fetch(`${url}/api`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('breakwater_http_request_seconds');
    expect((await ask('GET', '/api/v1/devices/pump-1/telemetry')).status).toBe(503);
    expect((await ask('GET', '/api/v1/ledger')).body.lanes.control).toMatchObject({ appended: 1 });
  });

  it('brings hints of telemetry from Redis to a live view', async () => {
    const controller = new AbortController();
    const headers = { authorization: `Bearer ${KEY}` };
    const stream = await fetch(`${url}/api/v1/devices/pump-1/twin/events`, { headers, signal: controller.signal });
    const publisher = await connectRedis(`unix://${join(folder, 'redis.sock')}`, {
      logger: createLogger('api', 'silent'),
    });
    await new RedisTelemetryHints(publisher).publish(0 as Partition, ['default/pump-1' as DeviceKey]);
    publisher.disconnect();
    let text = '';
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    while (!text.includes('\n\nevent: telemetry\ndata: ')) text += (await reader.read()).value ?? '';
    expect(text).toContain('data: {"id":"pump-1","telemetry":{}}\n\n');
    controller.abort();
  });

  it('answers 504 while no worker runs, and 503 before it appends once it is behind', async () => {
    const patch = () => ask('PATCH', '/api/v1/devices/pump-1/twin', { desired: { a: 1 } });
    const statuses = [(await patch()).status, (await patch()).status, (await patch()).status];
    expect(statuses.at(-1)).toBe(503);
    for (const status of statuses) expect([503, 504]).toContain(status);
  });

  it(
    'answers 503 while Redis is away, and goes on when it is back',
    async () => {
      redis.kill('SIGKILL');
      await once(redis, 'exit');
      const away = await ask('GET', '/api/v1/devices');
      expect(away).toMatchObject({ status: 503, body: { code: 'BACKEND_UNAVAILABLE' } });
      const write = await ask('POST', '/api/v1/devices', { id: 'while-away' });
      expect(write).toMatchObject({ status: 503, body: { code: 'BACKEND_UNAVAILABLE' } });
      expect((await ask('GET', '/health/live')).status).toBe(200);
      expect(await ask('GET', '/health/ready')).toMatchObject({ status: 503, body: { status: 'not ready' } });
      redis = startRedis();
      await waitUntil(async () => (await ask('GET', '/api/v1/devices')).status === 200);
      // What this process had appended is gone with the old data, so its producer has to begin anew.
      await waitUntil(async () => (await ask('POST', '/api/v1/devices', { id: 'pump-1' })).status === 201);
    },
    START_TIMEOUT_MS,
  );

  it('ends one bad start with one line and exit code 1', async () => {
    const refused = await startApi({ ADMIN_API_KEY: 'short', HTTP_PORT: 'x' });
    expect(await refused.firstEvent).toBe('startFailed');
    if (refused.child.exitCode === null) await once(refused.child, 'exit');
    expect(refused.child.exitCode).toBe(1);
  });

  it('stops in order on SIGTERM, with a stream open', async () => {
    const controller = new AbortController();
    const headers = { authorization: `Bearer ${KEY}` };
    const stream = await fetch(`${url}/api/v1/devices/pump-1/twin/events`, { headers, signal: controller.signal });
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    api.kill('SIGTERM');
    if (api.exitCode === null) await once(api, 'exit');
    expect(api.exitCode).toBe(0);
    controller.abort();
  });
});

function startRedis(): ChildProcess {
  const socket = join(folder, 'redis.sock');
  return spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder], {
    stdio: 'ignore',
  });
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the condition was never met');
}

async function startApi(env: Record<string, string>): Promise<{ child: ChildProcess; firstEvent: Promise<string> }> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], ...env } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const firstEvent = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { event } = JSON.parse(line) as { event?: string };
      if (event === 'ready' || event === 'startFailed') resolve(event);
    });
    child.once('exit', (code) => resolve(`exit ${code}`));
  });
  return { child, firstEvent };
}

/** What a test reads out of an answer: the expectations say what it has to be. */
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any;

async function ask(method: string, path: string, body?: object, key = KEY): Promise<{ status: number; body: Loose }> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { cliProgram } from './cli-program.ts';
import { findInstallation } from './installation/find-installation.ts';

const ANSWER = {
  logId: 'log-1',
  lanes: {
    telemetry: {
      appended: 1_200,
      consumers: { twins: { position: 1_000, inFlight: 200, outcomes: { applied: 990, noop: 10 } } },
    },
  },
  partitions: [{ lane: 'telemetry', partition: 7, appended: 1_200, consumers: {} }],
  tenants: [{ tenant: 'acme', lane: 'telemetry', consumer: 'twins', records: 1_000, outcomes: { applied: 1_000 } }],
  refused: [{ tenant: 'acme', reason: 'shed.queue', count: 3 }],
  balanced: false,
  imbalances: [{ kind: 'outcomes', detail: 'one is missing', since: 1_000 }],
  checkedAt: 2_000,
  degraded: [],
};

describe('breakwater', () => {
  let server: Server;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'breakwater-cli-'));
    server = createServer((request, response) => {
      const isKnown = request.headers.authorization === 'Bearer the-key-of-the-test';
      response.statusCode = isKnown ? 200 : 401;
      response.end(JSON.stringify(isKnown ? ANSWER : { code: 'UNAUTHENTICATED', detail: 'this key is not known' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await new Promise((resolve) => server.close(resolve));
  });

  async function run(...args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
    let code: number | null = null;
    const lines: string[] = [];
    const program = cliProgram({
      env: {},
      terminal: {
        line: (text = '') => void lines.push(text),
        json: (value) => void lines.push(JSON.stringify(value)),
      },
      signal: AbortSignal.abort(),
      onEnd: (exitCode) => (code = exitCode),
    });
    for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: () => undefined });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await program.parseAsync(['--url', url, ...args], { from: 'user' });
    return { code, text: stripVTControlCharacters(lines.join('\n')) };
  }

  it('shows what became of each record, and ends with 1 where that does not add up', async () => {
    const { code, text } = await run('--key', 'the-key-of-the-test', 'ledger');
    expect(code).toBe(1);
    expect(text).toMatch(/telemetry .* all .* twins .* 1,200 .* 1,000 .* 200 .* applied 990, noop 10/);
    expect(text).toMatch(/acme .* shed\.queue .* 3/);
    expect(text).toContain('outcomes: one is missing (since 1970-01-01T00:00:01.000Z)');
    expect(text).toContain('IT DOES NOT BALANCE');
    expect(text).not.toMatch(/ 7 /);
  });

  it('gives programs the answer of the API', async () => {
    const { text } = await run('--key', 'the-key-of-the-test', 'ledger', '--json');
    expect(JSON.parse(text)).toEqual(ANSWER);
  });

  it('says what the API says, in its code', async () => {
    await expect(run('--key', 'wrong', 'ledger')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(run('--url', 'http://127.0.0.1:1', 'ledger')).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
  });

  it('refuses what it does not know', async () => {
    await expect(run('verify', '--twins', 'many')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
    await expect(run('verify', '--only', 'nothing')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  });

  it('finds what runs on a data folder, and nothing where that is gone', () => {
    const parts = [
      { name: 'redis', ports: {}, socket: '/run/redis.sock' },
      { name: 'api', ports: { http: 3_100 } },
      { name: 'embedded-clickhouse', ports: { clickhouse: 9_100 } },
    ];
    const write = (pid: number) =>
      writeFileSync(join(folder, 'run.json'), JSON.stringify({ supervisor: { pid }, parts }));
    writeFileSync(join(folder, 'admin-key'), 'the-key-in-the-folder\n');
    write(process.pid);
    expect(findInstallation({ env: { DATA_DIR: folder } })).toMatchObject({
      apiUrl: 'http://127.0.0.1:3100',
      apiKey: 'the-key-in-the-folder',
      redisUrl: 'unix:///run/redis.sock',
      clickhouse: { url: 'http://127.0.0.1:9100' },
    });
    write(2 ** 30);
    expect(() => findInstallation({ env: {}, data: folder })).toThrow(/what ran on the data folder .* is gone/);
    const named = findInstallation({
      env: { BREAKWATER_URL: 'https://bw/', REDIS_URL: 'redis://r', CLICKHOUSE_URL: 'http://c' },
    });
    expect(named).toMatchObject({ apiUrl: 'https://bw', redisUrl: 'redis://r', clickhouse: { url: 'http://c' } });
  });
});

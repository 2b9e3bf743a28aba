import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '@breakwater/free-port';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { processIdentity } from '../src/supervise/process-identity.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

let folder: string;
let taken: Server;
let takenPort: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bw-refusal-'));
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  takenPort = (taken.address() as AddressInfo).port;
});

afterEach(async () => {
  await new Promise((resolve) => taken.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** Every start here is refused, most of all because a port is taken: no part is ever started. */
async function start(env: Record<string, string>): Promise<{ exitCode: number | null; output: string }> {
  const child = spawn(process.execPath, ['--conditions=@breakwater/source', MAIN], {
    env: {
      ...process.env,
      BIND_HOST: '127.0.0.1',
      HTTP_PORT: String(takenPort),
      EMBEDDED_TEMPORAL: 'off',
      DATA_DIR: join(folder, 'data'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exitCode, output };
}

async function expectRefusal(env: Record<string, string>, code: string, words: readonly string[]): Promise<void> {
  const { exitCode, output } = await start(env);
  expect({ exitCode, output }).toEqual({ exitCode: 1, output: expect.stringContaining(`did not start (${code})`) });
  for (const word of words) expect(output).toContain(word);
  expect(output).not.toMatch(/^\s+at /m);
}

describe('npm start refuses, with a clear message and exit code 1', () => {
  it('a port that is in use, naming every one of them', async () => {
    const port = String(takenPort);
    const ports = { MQTT_PORT: port, MQTT_WS_PORT: '0', TEMPORAL_UI_PORT: port, EMBEDDED_TEMPORAL: 'found' };
    const settings = ['set HTTP_PORT', 'set MQTT_PORT', 'set TEMPORAL_UI_PORT'];
    await expectRefusal(ports, 'PORT_IN_USE', [`Port ${takenPort} is in use`, ...settings]);
  });

  it('a disk without space', () =>
    expectRefusal({ DISK_FREE_MIN_MB: '1048576' }, 'DISK_FULL', ['MB free', 'DISK_FREE_MIN_MB']));

  it('a data folder that cannot be made', async () => {
    writeFileSync(join(folder, 'a-file'), '');
    await expectRefusal({ DATA_DIR: join(folder, 'a-file', 'data') }, 'DATA_DIR_UNUSABLE', ['ENOTDIR']);
    // Where nothing can be made Node's own way to make folders never ends.
    await expectRefusal({ DATA_DIR: '/proc/breakwater/data' }, 'DATA_DIR_UNUSABLE', ['/proc/breakwater/data']);
  });

  it('a data folder with another partition count', async () => {
    await start({ PARTITIONS: '16' });
    await expectRefusal({ PARTITIONS: '32' }, 'PARTITION_COUNT_MISMATCH', ['made with 16 partitions', 'PARTITIONS=16']);
  });

  it('a data folder of another version', async () => {
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'installation.json'), '{"formatVersion":99,"partitions":16}');
    await expectRefusal({}, 'DATA_FORMAT_MISMATCH', ['data format 99']);
  });

  it('a data folder on which a platform runs', async () => {
    mkdirSync(join(folder, 'data'));
    const supervisor = { pid: process.pid, identity: processIdentity(process.pid) };
    writeFileSync(join(folder, 'data', 'run.json'), JSON.stringify({ supervisor, parts: [] }));
    await expectRefusal({}, 'DATA_DIR_IN_USE', [`process ${process.pid}`]);
    // The one that runs still has its file.
    expect(JSON.parse(readFileSync(join(folder, 'data', 'run.json'), 'utf8'))).toMatchObject({ supervisor });
  });

  it('settings that cannot be used, all of them in one message', () =>
    expectRefusal({ HTTP_PORT: 'none', ADMIN_API_KEY: 'short' }, 'SETTING_INVALID', ['HTTP_PORT', 'ADMIN_API_KEY']));

  it('brokers of Kafka that cannot be reached by what they are called', async () => {
    // Kafka is looked for once the ports are free; it is not found, so still no part is started.
    const names = ['HTTP_PORT', 'MQTT_PORT', 'MQTT_WS_PORT'];
    const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, String(await freePort())])));
    const kafka = (brokers: string) => ({ ...ports, EVENT_LOG: 'kafka', KAFKA_BROKERS: brokers });
    const unknown = 'no host is found under the name no-such-host.invalid';
    await expectRefusal(kafka('no-such-host.invalid:9092'), 'KAFKA_MISSING', [unknown]);
    await expectRefusal(kafka('one'), 'SETTING_INVALID', ['must be host:port']);
  });

  it('a redis-server that is none', () =>
    expectRefusal({ REDIS_SERVER_PATH: '/bin/echo' }, 'REDIS_SERVER_MISSING', ['/bin/echo']));
});

describe('a refused start', () => {
  it('keeps nobody off the folder, and secrets readable by their owner only', async () => {
    await start({ DATA_DIR: join(folder, 'data') });
    expect(readdirSync(join(folder, 'data'))).not.toContain('run.json');
    expect(statSync(join(folder, 'data')).mode & 0o077).toBe(0);
  });
});

describe('the processes that a killed supervisor left', () => {
  it('are ended in order by the next start', async () => {
    const left = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => left.on('exit', (_code, signal) => resolve(signal)));
    const pid = left.pid ?? 0;
    mkdirSync(join(folder, 'data'));
    const parts = [{ name: 'gateway', pid, stopLevel: 1, ports: {}, identity: processIdentity(pid) }];
    writeFileSync(
      join(folder, 'data', 'run.json'),
      JSON.stringify({ supervisor: { pid: 1, identity: 'long gone' }, parts }),
    );
    const { output } = await start({});
    expect(output).toContain(`gateway: process ${pid} is left from a run that was killed, and is ended`);
    expect(await ended).toBe('SIGTERM');
  });

  it('are left alone when the id belongs to another process by now', async () => {
    mkdirSync(join(folder, 'data'));
    const parts = [{ name: 'gateway', pid: process.pid, stopLevel: 1, ports: {}, identity: 'another start time' }];
    writeFileSync(
      join(folder, 'data', 'run.json'),
      JSON.stringify({ supervisor: { pid: 1, identity: 'long gone' }, parts }),
    );
    const { output } = await start({});
    expect(output).not.toContain('is left from a run');
  });
});

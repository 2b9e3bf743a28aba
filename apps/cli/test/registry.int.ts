import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { checkInstallation, RedisDeviceRegistry, type RedisClient } from '@breakwater/adapter-redis';
import { redisServerAvailable } from '@breakwater/adapter-redis/testing';
import type { DeviceId, TenantId } from '@breakwater/twin';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { cliProgram } from '../src/cli-program.ts';
import { withRedis } from '../src/installation/with-redis.ts';

const ENV = { PATH: process.env['PATH'], REDIS_SERVER_PATH: process.env['REDIS_SERVER_PATH'] };
const PARTITIONS = 2;
const DEVICES = 5;
const acme = 'acme' as TenantId;
const id = (at: number): DeviceId => `d${at}` as DeviceId;
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

(redisServerAvailable() ? describe : describe.skip)('breakwater registry', () => {
  let folder: string;
  const lines: string[] = [];

  /** Folders of installations that are stopped, one of which is empty. */
  const [full, empty] = ['full', 'empty'] as const;
  const inRedis = <Result>(name: string, work: (redis: RedisClient) => Promise<Result>): Promise<Result> =>
    withRedis({ env: ENV, data: join(folder, name) }, work);

  async function breakwater(name: string, ...args: readonly string[]): Promise<number | null> {
    let code: number | null = null;
    const terminal = { line: (text = '') => void lines.push(text), json: () => undefined };
    const { signal } = new AbortController();
    const program = cliProgram({ env: ENV, terminal, signal, onEnd: (exitCode) => (code = exitCode) });
    await program.parseAsync(['node', 'breakwater', '--data', join(folder, name), 'registry', ...args]);
    return code;
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'breakwater-registry-'));
    for (const name of [full, empty]) mkdirSync(join(folder, name, 'redis'), { recursive: true });
    await inRedis(full, async (redis) => {
      await checkInstallation(redis, { partitionCount: PARTITIONS });
      const registry = new RedisDeviceRegistry(redis);
      await registry.createTenant(acme, hashOf('acme'), 1);
      for (let at = 0; at < DEVICES; at += 1) await registry.createDevice(acme, id(at), hashOf(`device-${at}`), at);
    });
  });
  beforeEach(() => void lines.splice(0));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('goes from one installation to another by a file that only its owner may read', async () => {
    const copy = join(folder, 'registry.ndjson');
    expect(await breakwater(full, 'export', copy)).toBe(0);
    expect(lines).toEqual([`${copy}: ${DEVICES} devices, ${DEVICES + 2} entries in all.`]);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    // It may be the only backup.
    await expect(breakwater(full, 'export', copy)).rejects.toMatchObject({ code: 'FILE_UNUSABLE' });

    expect(await breakwater(empty, 'import', copy)).toBe(0);
    expect(lines.at(-1)).toBe(`${DEVICES + 2} entries: ${DEVICES + 2} written, 0 there already, 0 left out.`);
    const found = await inRedis(empty, (redis) => new RedisDeviceRegistry(redis).deviceOfToken(hashOf('device-3')));
    expect(found).toMatchObject({ tenant: acme, device: id(3), incarnation: 1 });
    expect(await breakwater(empty, 'import', copy)).toBe(0);
    expect(lines.at(-1)).toContain('0 written');

    await inRedis(empty, (redis) => new RedisDeviceRegistry(redis).rotateToken(acme, id(0), hashOf('rotated')));
    expect(await breakwater(empty, 'import', copy)).toBe(1);
    expect(lines.join('\n')).toContain('device acme/d0 is there and says something else: left out');
    expect(lines.at(-1)).toBe('DIFFERS: 1, DELETED_SINCE: 0, CREDENTIAL_TAKEN: 0');
  });

  it('writes nothing of a file that is not whole, or not of this format', async () => {
    const copy = join(folder, 'whole.ndjson');
    expect(await breakwater(full, 'export', copy)).toBe(0);
    const whole = readFileSync(copy, 'utf8').trimEnd().split('\n');
    const spoilt: Readonly<Record<string, readonly string[]>> = {
      'cut off': whole.slice(0, -1),
      'has \\d+ entries': whole.toSpliced(3, 1),
      'line 3 is no entry': whole.toSpliced(2, 1, '{"kind":"device","tenant":"acme"}'),
      'comes after its end': [...whole, whole[1]!],
      'has version 2': [whole[0]!.replace('"version":1', '"version":2'), ...whole.slice(1)],
      'first line': whole.slice(1),
    };
    mkdirSync(join(folder, 'new', 'redis'), { recursive: true });
    for (const [why, text] of Object.entries(spoilt)) {
      const path = join(folder, 'spoilt.ndjson');
      writeFileSync(path, `${text.join('\n')}\n`);
      const refused = expect.objectContaining({
        code: 'REGISTRY_COPY_UNREADABLE',
        message: expect.stringMatching(why),
      });
      await expect(breakwater('new', 'import', path)).rejects.toEqual(refused);
    }
    expect(await inRedis('new', (redis) => redis.hkeys('bw:{registry}:tenants'))).toEqual([]);
  });

  it('exports nothing where there is no installation', async () => {
    const copy = join(folder, 'none.ndjson');
    await expect(breakwater('new', 'export', copy)).rejects.toMatchObject({ code: 'INSTALLATION_NOT_FOUND' });
    await expect(breakwater('nowhere', 'export', copy)).rejects.toMatchObject({ code: 'INSTALLATION_NOT_FOUND' });
  });
});

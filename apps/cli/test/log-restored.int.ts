import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { checkInstallation, connectRedis, openEventLog, RedisPartitionLeases } from '@breakwater/adapter-redis';
import { eventLogSettings, readSettings } from '@breakwater/config';
import type { Partition } from '@breakwater/twin';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { logRestoredCommand } from '../src/commands/log-restored-command.ts';
import { withRedisOf } from '../src/installation/redis-of-folder.ts';

const LEASE_MS = 60_000;
const ENV = { PATH: process.env['PATH'], REDIS_SERVER_PATH: process.env['REDIS_SERVER_PATH'] };

describe('breakwater log restored', () => {
  let dataFolder: string;
  const lines: string[] = [];
  const terminal = { line: (text = '') => void lines.push(text), json: () => undefined };
  const run = () => logRestoredCommand({ env: ENV, dataFolder }, terminal);
  const logId = () =>
    withRedisOf(dataFolder, ENV, async (url) => {
      const redis = await connectRedis(url);
      await checkInstallation(redis, { partitionCount: 2 });
      const id = await openEventLog(redis, readSettings(eventLogSettings, {})).logId();
      redis.disconnect();
      return id;
    });

  beforeAll(() => {
    dataFolder = mkdtempSync(join(tmpdir(), 'breakwater-restored-'));
  });

  afterAll(() => rmSync(dataFolder, { recursive: true, force: true }));

  it('refuses a folder without data, and data without a log', async () => {
    await expect(run()).rejects.toMatchObject({ code: 'INSTALLATION_NOT_FOUND' });
    mkdirSync(join(dataFolder, 'redis'));
    await expect(run()).rejects.toMatchObject({ code: 'INSTALLATION_NOT_FOUND' });
  });

  it('gives the log of a stopped installation another id, which lasts', async () => {
    const before = await logId();
    expect(await run()).toBe(0);
    const after = await logId();
    expect(after).not.toBe(before);
    expect(lines.at(-1)).toBe(`The log ${before} is now ${after}. Start the installation.`);
  });

  it('takes a copy that was taken while workers ran: their leases are in it', async () => {
    const before = await logId();
    await withRedisOf(dataFolder, ENV, async (url) => {
      const redis = await connectRedis(url);
      const leases = new RedisPartitionLeases(redis);
      await leases.acquire([0 as Partition], 'a-worker-of-then', LEASE_MS);
      expect(await leases.held([0 as Partition])).toEqual([true]);
      redis.disconnect();
    });
    expect(await run()).toBe(0);
    expect(await logId()).not.toBe(before);
  });
});

import { describe, expect, it } from '@jest/globals';

import { findRedisServer, redisArguments, redisSocketPath } from './redis-server.ts';

describe('the redis-server of npm start', () => {
  it('syncs every write and evicts nothing', () => {
    const text = redisArguments({ socketPath: '/x/redis.sock', folder: '/x', memoryMegabytes: 512 }).join(' ');
    for (const wanted of [
      '--appendonly yes',
      '--appendfsync always',
      '--maxmemory-policy noeviction',
      '--port 0',
      '--save  ',
    ]) {
      expect(text).toContain(wanted);
    }
  });

  it.each(['/', process.execPath])('is refused in one sentence when it is %s', (path) => {
    expect(() => findRedisServer(path, '')).toThrow(expect.objectContaining({ code: 'REDIS_SERVER_MISSING' }));
  });

  it('has its socket in the data folder, unless the path is too long for a socket', () => {
    expect(redisSocketPath('/x/data')).toBe('/x/data/redis/redis.sock');
    const long = redisSocketPath(`/${'x'.repeat(200)}`);
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(100);
    expect(redisSocketPath(`/${'x'.repeat(200)}`)).toBe(long);
    expect(redisSocketPath(`/${'y'.repeat(200)}`)).not.toBe(long);
  });
});

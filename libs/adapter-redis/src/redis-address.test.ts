import { describe, expect, it } from '@jest/globals';

import { redisAddressOf, shownAddress } from './redis-address.ts';

describe('redisAddressOf', () => {
  it('reads the address of one server', () => {
    expect(redisAddressOf('unix:///run/redis.sock')).toEqual({ kind: 'socket', path: '/run/redis.sock' });
    const plain = { kind: 'single', host: 'redis', port: 6379, tls: false, db: 0 };
    expect(redisAddressOf('redis://redis')).toEqual(plain);
    expect(redisAddressOf('redis://redis/')).toEqual(plain);
    expect(redisAddressOf('rediss://breakwater:p%40ss%3A@[::1]:7000/3')).toEqual({
      ...{ kind: 'single', host: '::1', port: 7000, tls: true, db: 3 },
      ...{ username: 'breakwater', password: 'p@ss:' },
    });
    expect(redisAddressOf('redis://:secret@redis')).toEqual({ ...plain, password: 'secret' });
  });

  it('reads the nodes of a cluster, of which some are enough', () => {
    expect(redisAddressOf('redis+cluster://a:7000,b,[::2]:7002')).toEqual({
      kind: 'cluster',
      tls: false,
      hosts: [
        { host: 'a', port: 7000 },
        { host: 'b', port: 6379 },
        { host: '::2', port: 7002 },
      ],
    });
    expect(redisAddressOf('rediss+cluster://user:pass@a')).toEqual({
      ...{ kind: 'cluster', tls: true, hosts: [{ host: 'a', port: 6379 }] },
      ...{ username: 'user', password: 'pass' },
    });
  });

  it('reads sentinels, with what they call the primary and a password of their own', () => {
    expect(redisAddressOf('redis+sentinel://:pass@s1,s2:26380/twins?sentinelPassword=other')).toEqual({
      kind: 'sentinel',
      tls: false,
      hosts: [
        { host: 's1', port: 26379 },
        { host: 's2', port: 26380 },
      ],
      primaryName: 'twins',
      sentinel: { password: 'other' },
      password: 'pass',
    });
  });

  it('refuses what it would have to guess at, without showing a password', () => {
    for (const url of [
      'redis',
      'http://:secret@redis',
      'redis://:secret@a,b',
      'redis://:secret@a:70000',
      'redis://:secret@a:b:c',
      'redis://:secret@a/name',
      'redis://:secret%@a',
      'redis+cluster://:secret@a/1',
      'redis+sentinel://:secret@a',
      'redis+cluster://:secret@',
    ]) {
      expect(() => redisAddressOf(url)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
      expect(() => redisAddressOf(url)).not.toThrow(/secret/);
    }
  });

  it('shows an address without what is secret in it', () => {
    expect(shownAddress('redis+sentinel://user:pass@s1,s2/twins?sentinelPassword=other')).toBe(
      'redis+sentinel://***@s1,s2/twins',
    );
  });
});

import { describe, expect, it } from '@jest/globals';

import { platformParts } from './platform-parts.ts';

const options = {
  dataFolder: '/x/data',
  redisUrl: '',
  redisServerPath: '/x/redis-server',
  redisSocketPath: '/x/redis.sock',
  redisMemoryMegabytes: 512,
  clickhousePort: 4711,
  temporalAddress: '127.0.0.1:4712',
  temporalNamespace: 'breakwater',
  temporalNiceness: 10,
  twinWorkers: 2,
  bridgePassword: null,
  adminKey: 'the-key-of-the-administrator',
  partitions: 16,
  log: { env: { EVENT_LOG: 'redis' }, parts: [] },
  laneBudgets: { LOG_CONTROL_BYTES_PER_PARTITION: '1048576' },
};
const parts = platformParts(options);

describe('the parts of npm start', () => {
  it('stop in the order in which work flows, stores last', () => {
    const byLevel = [...parts].sort((left, right) => left.stopLevel - right.stopLevel).map((part) => part.name);
    expect(byLevel).toEqual([
      'gateway',
      'api',
      'telemetry-writer',
      'twin-worker-1',
      'twin-worker-2',
      'embedded-clickhouse',
      'redis',
    ]);
  });

  it('have a bridge where another broker is read, and tell its password to nobody else', () => {
    const all = platformParts({ ...options, bridgePassword: 'of the broker' });
    const bridge = all.find(({ name }) => name === 'bridge');
    expect(bridge?.env).toMatchObject({ GATEWAY_ROLE: 'bridge', BRIDGE_PASSWORD: 'of the broker' });
    expect(all.find(({ name }) => name === 'gateway')?.env['GATEWAY_ROLE']).toBe('gateway');
    const others = all.filter(({ name }) => name !== 'bridge');
    expect(others.filter(({ env }) => Object.values(env).includes('of the broker'))).toEqual([]);
  });

  it('open the port of the api after everything else serves', () => {
    const others = parts.filter((part) => part.name !== 'api').map((part) => part.startLevel);
    expect(parts.find((part) => part.name === 'api')?.startLevel).toBeGreaterThan(Math.max(...others));
  });

  it('all know what a lane may hold', () => {
    for (const part of parts.filter((candidate) => candidate.name !== 'redis')) {
      expect(part.env['LOG_CONTROL_BYTES_PER_PARTITION']).toBe('1048576');
    }
  });

  it('find each other by socket and loopback only', () => {
    for (const part of parts.filter((candidate) => candidate.name !== 'redis')) {
      expect(part.env).toMatchObject({ REDIS_URL: 'unix:///x/redis.sock', CLICKHOUSE_URL: 'http://127.0.0.1:4711' });
      expect(part.env).toMatchObject({ TEMPORAL_ADDRESS: '127.0.0.1:4712', TEMPORAL_TLS: 'false' });
    }
  });

  it('give the key of the administrator to the api alone', () => {
    const holders = parts.filter((part) => JSON.stringify(part).includes('the-key-of-the-administrator'));
    expect(holders.map((part) => part.name)).toEqual(['api']);
  });

  it('start no Redis where there is one, and tell all parts of it', () => {
    const redisUrl = 'redis+cluster://a:7000,b:7001';
    const others = platformParts({ ...options, redisUrl });
    expect(others.map(({ name }) => name)).not.toContain('redis');
    for (const part of others) expect(part.env).toMatchObject({ REDIS_URL: redisUrl });
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Offset, Partition } from '@breakwater/twin';
import type { AppendRequest, AppendResult, LogFrame } from '@breakwater/twin-runtime';
import type { Redis } from 'ioredis';

import { mintLogId, RedisEventLog } from '../src/index.ts';
import {
  connectServer,
  CuttingProxy,
  redisServerAvailable,
  startRedisServer,
  type RedisServerForTest,
} from '../src/testing/index.ts';

const P0 = 0 as Partition;
const P1 = 1 as Partition;
const MEBIBYTE = 1024 * 1024;
const TIMEOUT_MS = 60_000;
const CUTS = 50;
const KILLS = 3;
const APPENDS_BEFORE_KILL = 40;
const REPEATS_MAX = 200;

(redisServerAvailable() ? describe : describe.skip)('event log on redis-server, when things fail', () => {
  let server: RedisServerForTest;
  const open: (() => void)[] = [];
  beforeEach(async () => {
    server = await startRedisServer();
  }, TIMEOUT_MS);
  afterEach(async () => {
    for (const close of open.splice(0)) close();
    await server.stop();
  }, TIMEOUT_MS);

  const logAt = async (url: string): Promise<{ log: RedisEventLog; redis: Redis }> => {
    const redis = await connectServer(url);
    const log = new RedisEventLog({
      redis,
      laneBytesMax: { control: 64 * MEBIBYTE, telemetry: 64 * MEBIBYTE },
      frameBytesMax: MEBIBYTE,
    });
    open.push(() => {
      log.close();
      redis.disconnect();
    });
    return { log, redis };
  };

  it(
    'remembers a producer for its whole life from its last append on, whatever the number of that append',
    async () => {
      const { log, redis } = await logAt(server.url);
      await log.append([frame(1, ['a'])]);
      const [key] = await redis.keys('*:producer:*');
      const wholeLifeMs = await redis.pttl(key!);
      await redis.pexpire(key!, Math.floor(wholeLifeMs / 2));
      await log.append([frame(2, ['b'])]);
      expect(await redis.pttl(key!)).toBeGreaterThan(wholeLifeMs * 0.9);
    },
    TIMEOUT_MS,
  );

  it(
    'remembers an idle producer for its whole life once more when it is kept, in both lanes, and makes no key for it',
    async () => {
      const { log, redis } = await logAt(server.url);
      await log.append([frame(1, ['a']), { ...frame(1, ['b']), lane: 'control' }]);
      const keys = await redis.keys('*:producer:*');
      expect(keys.length).toBe(2);
      const wholeLifeMs = await redis.pttl(keys[0]!);
      for (const key of keys) await redis.pexpire(key, Math.floor(wholeLifeMs / 2));
      await log.keepProducer('producer', [P0, P1]);
      for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(wholeLifeMs * 0.9);
      expect((await redis.keys('*:producer:*')).length).toBe(2);
    },
    TIMEOUT_MS,
  );

  it(
    'has every acknowledged record after redis-server is killed under load, with contiguous offsets',
    async () => {
      const { log } = await logAt(server.url);
      const acknowledged = new Map<number, string>();
      let seq = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        let killed: Promise<void> | undefined;
        for (let count = 0; killed === undefined || count % APPENDS_BEFORE_KILL !== 0; count++) {
          const request = frame(++seq, [`${seq}-a`, `${seq}-b`]);
          const attempt = repeated(log, request);
          if (count === APPENDS_BEFORE_KILL - 1) killed = server.restart();
          const result = await attempt;
          if (result.kind !== 'appended') throw new Error(`append ${seq} was refused: ${result.code}`);
          acknowledged.set(result.firstOffset, request.body.toString());
        }
        await killed;
      }
      const frames = await readAll(log);
      expect(frames.map(({ firstOffset }) => firstOffset)).toEqual(frames.map((_, index) => 2 * index));
      expect(new Map(frames.map((each) => [each.firstOffset, each.body.toString()]))).toEqual(acknowledged);
    },
    TIMEOUT_MS,
  );

  it(
    'appends once although the reply is lost, however many frames are under way',
    async () => {
      const proxy = await CuttingProxy.start(`${server.socketPath}.proxy`, server.socketPath);
      const { log } = await logAt(proxy.url);
      let seq = 0;
      for (let cut = 0; cut < CUTS; cut++) {
        const requests = [1, 2, 3].map((step) => frame(seq + step, [`${seq + step}`]));
        proxy.cutNextReply();
        await expect(log.append(requests)).rejects.toThrow();
        const results = await repeatedAll(log, requests);
        expect(results.map((each) => each.kind === 'appended' && each.firstOffset)).toEqual([seq, seq + 1, seq + 2]);
        seq += 3;
      }
      expect(proxy.cuts).toBe(CUTS);
      const frames = await readAll(log);
      expect(frames.map((each) => each.body.toString())).toEqual(Array.from({ length: seq }, (_, at) => `${at + 1}`));
      await proxy.stop();
    },
    TIMEOUT_MS,
  );

  it('settles what was under way when the connection breaks', async () => {
    const { log, redis } = await logAt(server.url);
    await log.append([frame(1, ['a'])]);
    const under = [log.append([frame(2, ['b'])]), log.append([frame(3, ['c'])]), redis.get('x')];
    redis.disconnect(true);
    const settled = await Promise.allSettled(under);
    expect(settled).toHaveLength(3);
    expect(await repeated(log, frame(2, ['b']))).toMatchObject({ kind: 'appended', firstOffset: 1 });
  });

  it('refuses a repeat that lies too far back instead of appending it again', async () => {
    const { log } = await logAt(server.url);
    for (let seq = 1; seq <= 40; seq++) await log.append([frame(seq, ['x'])]);
    expect(await log.append([frame(40, ['x']), frame(25, ['x']), frame(24, ['x'])])).toMatchObject([
      { kind: 'appended', firstOffset: 39, repeated: true },
      { kind: 'appended', firstOffset: 24, repeated: true },
      { kind: 'refused', code: 'SEQUENCE_GAP' },
    ]);
    expect(await log.bounds('telemetry', P0)).toMatchObject({ end: 40 });
  });

  it('goes on after the script cache was emptied', async () => {
    const { log, redis } = await logAt(server.url);
    const both = (seq: number): AppendRequest[] => [frame(seq, ['x']), { ...frame(seq, ['y']), partition: P1 }];
    await log.append(both(1));
    await log.append(both(2));
    await redis.script('FLUSH');
    expect(await log.append(both(3))).toMatchObject([{ firstOffset: 2 }, { firstOffset: 2 }]);
    await redis.script('FLUSH');
    expect(await log.append([frame(4, ['x'])])).toMatchObject([{ firstOffset: 3 }]);
  });

  it('refuses appends when the memory is used up, and takes them again after a trim', async () => {
    const { log, redis } = await logAt(server.url);
    const body = 'x'.repeat(512 * 1024);
    await log.append([frame(1, [body])]);
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
    await redis.config('SET', 'maxmemory', used + 3 * MEBIBYTE);
    let seq = 1;
    let results: readonly AppendResult[] = [];
    do {
      seq += 1;
      results = await log.append([frame(seq, [body]), { ...frame(seq, [body]), partition: P1, seq: seq - 1 }]);
    } while (results.every(({ kind }) => kind === 'appended') && seq < 100);
    expect(results.at(-1)).toEqual({ kind: 'refused', code: 'LANE_FULL' });
    await log.trim('telemetry', P1, seq as Offset);
    await log.trim('telemetry', P0, (seq - 1) as Offset);
    const next = results[0]?.kind === 'appended' ? seq + 1 : seq;
    expect(await log.append([frame(next, ['y'])])).toMatchObject([{ kind: 'appended' }]);
  });

  it(
    'never skips: a reader notices a log that was trimmed, emptied or replaced under it',
    async () => {
      const { log, redis } = await logAt(server.url);
      const { log: other } = await logAt(server.url);
      await log.logId();
      for (let seq = 1; seq <= 4; seq++) await log.append([frame(seq, [`${seq}`])]);
      expect(await readFrom(other, 2)).toHaveLength(2);
      await log.trim('telemetry', P0, 4 as Offset);
      await expect(readFrom(other, 2)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });

      const { log: third } = await logAt(server.url);
      expect(await readFrom(third, 4)).toEqual([]);
      await redis.flushall();
      await server.restart();
      await expect(untilRejected(() => readFrom(third, 4))).rejects.toMatchObject({ code: 'LOG_CHANGED' });

      const { log: fourth } = await logAt(server.url);
      await expect(readFrom(fourth, 4)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
    },
    TIMEOUT_MS,
  );

  it(
    'never takes frames of another log for the next ones, whose offsets look the same',
    async () => {
      const { log, redis } = await logAt(server.url);
      const { log: reader } = await logAt(server.url);
      await log.logId();
      for (let seq = 1; seq <= 4; seq++) await log.append([frame(seq, [`${seq}`])]);
      expect(await readFrom(reader, 0)).toHaveLength(4);
      await redis.flushall();
      const restored = { ...frame(1, ['1', '2', '3', '4', 'other']), producerId: 'restored' };
      await log.append([restored]);
      await mintLogId(redis);
      await server.restart();
      await expect(untilRejected(() => readFrom(reader, 4))).rejects.toMatchObject({ code: 'LOG_CHANGED' });
    },
    TIMEOUT_MS,
  );

  it('keeps ids apart that look like keys, scripts or commands', async () => {
    const { log } = await logAt(server.url);
    const producers = ['a', 'a:producer:a', '} {', '\r\nFLUSHALL\r\n', '"; return 1 --', '\u0000', '{0}'];
    for (const producerId of producers) {
      expect(await log.append([{ ...frame(1, [producerId.replaceAll('\n', '')]), producerId }])).toMatchObject([
        { kind: 'appended', repeated: false },
      ]);
    }
    expect(await log.bounds('telemetry', P0)).toMatchObject({ end: producers.length });
    await log.fenceProducer('a', [P0]);
    const [fenced, free] = await log.append([
      { ...frame(2, ['x']), producerId: 'a' },
      { ...frame(2, ['x']), producerId: 'a:producer:a' },
    ]);
    expect([fenced?.kind, free?.kind]).toEqual(['refused', 'appended']);
  });
});

function frame(seq: number, lines: readonly string[]): AppendRequest {
  return {
    lane: 'telemetry',
    partition: P0,
    producerId: 'producer',
    seq,
    body: lines.join('\n'),
    recordCount: lines.length,
  };
}

/** As a producer does: the same frame under the same number until its outcome is known. */
async function repeatedAll(log: RedisEventLog, requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
  return reconnected(() => log.append(requests));
}

async function repeated(log: RedisEventLog, request: AppendRequest): Promise<AppendResult> {
  return (await repeatedAll(log, [request]))[0]!;
}

/** Tries again while the connection is away; what the platform itself says is an answer. */
async function reconnected<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if ('code' in (error as Error) && /^[A-Z]+_[A-Z_]+$/.test(String((error as { code: unknown }).code))) throw error;
      if (tries === REPEATS_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Reads until a read is refused; the reads before that must have found nothing. */
async function untilRejected(read: () => Promise<readonly LogFrame[]>): Promise<void> {
  for (let tries = 0; tries < REPEATS_MAX; tries++) {
    expect(await reconnected(read)).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function readFrom(log: RedisEventLog, from: number): Promise<readonly LogFrame[]> {
  const request = { lane: 'telemetry', partition: P0, from: from as Offset } as const;
  return log.read([request], { framesMaxPerPartition: 1_000, waitMs: 0 }).then(([batch]) => batch?.frames ?? []);
}

function readAll(log: RedisEventLog): Promise<readonly LogFrame[]> {
  return reconnected(() => readFrom(log, 0));
}

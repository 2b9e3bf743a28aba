import type { Partition } from '@breakwater/twin';
import type { AppendRequest, AppendResult } from '@breakwater/twin-runtime';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { BrokerConnections } from './broker-connections.ts';
import { LogAppender } from './log-appender.ts';
import type { LogTopology } from './log-topology.ts';
import type { RecordBatchEncoder } from './record-batch-encoder.ts';

const BODY = Buffer.alloc(8 * 1024 * 1024);
/** So many of these bodies fill what may wait for its outcome. */
const FRAMES_MAX = 16;
const LONG_MS = 120_000;

describe('appends of unknown outcome', () => {
  let appender: LogAppender;

  beforeEach(() => {
    jest.useFakeTimers();
    const topology = {
      refresh: () => Promise.resolve(),
      knownLeaderOf: () => null,
      leaderOf: () => Promise.resolve(null),
    };
    appender = new LogAppender({
      topology: topology as unknown as LogTopology,
      connections: {} as BrokerConnections,
      encoder: {} as RecordBatchEncoder,
      frameBytesMax: BODY.length,
      answerWithinMs: 1_000,
    });
  });

  afterEach(() => {
    appender.close();
    jest.useRealTimers();
  });

  it('are asked for again though there is no room for others', async () => {
    await fill();
    expect(await append('new')).toBe('LANE_FULL');
    expect(await append('producer 0')).toBe('unknown');
  });

  it('make room when nobody asks for them any more, and nothing else is taken under their numbers', async () => {
    await fill();
    await jest.advanceTimersByTimeAsync(LONG_MS);
    expect(await append('new')).toBe('unknown');
    expect(await append('producer 0')).toBe('SEQUENCE_GAP');
  });

  it('are kept as long as somebody asks', async () => {
    await fill();
    for (let passedMs = 0; passedMs < LONG_MS; passedMs += 10_000) {
      await jest.advanceTimersByTimeAsync(10_000);
      expect(await append('producer 0')).toBe('unknown');
    }
  });

  async function fill(): Promise<void> {
    const names = Array.from({ length: FRAMES_MAX }, (_, at) => `producer ${at}`);
    expect(await Promise.all(names.map(append))).toEqual(names.map(() => 'unknown'));
  }

  /** What became of the first frame of a producer: a code, or that it is unknown. */
  async function append(producerId: string): Promise<string> {
    const place = { lane: 'telemetry', partition: 0 as Partition } as const;
    const request: AppendRequest = { ...place, producerId, seq: 1, body: BODY, recordCount: 1 };
    const answered = appender.append([request]).then(
      ([result]) => outcomeOf(result!),
      () => 'unknown',
    );
    await jest.advanceTimersByTimeAsync(1_500);
    return answered;
  }
});

function outcomeOf(result: AppendResult): string {
  return result.kind === 'refused' ? result.code : result.kind;
}

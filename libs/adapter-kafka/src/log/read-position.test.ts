import type { Offset, Partition } from '@breakwater/twin';
import type { LogFrame } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import type { FetchedPartition } from './fetch-request.ts';
import { ReadPosition } from './read-position.ts';

const PLACE = { lane: 'telemetry' as const, partition: 3 as Partition };

function positionAt(from: number): ReadPosition<'telemetry'> {
  return new ReadPosition({ ...PLACE, from: from as Offset });
}

function answerOf(frames: readonly LogFrame[], error: Error | null = null): FetchedPartition {
  const decode = () => ({ frames, error });
  return { topicId: 'topic', partition: PLACE.partition, errorCode: 0, end: 100, bytes: 1, decode };
}

function frameOf(first: number, last: number): LogFrame {
  return { firstOffset: first as Offset, lastOffset: last as Offset, appendedAtMs: 1, body: Buffer.alloc(1) };
}

describe('ReadPosition', () => {
  it('gives what comes before a batch that nobody can read, and then says where that is', () => {
    const position = positionAt(5);
    position.fetched(5, answerOf([frameOf(4, 6)], new Error('its checksum is wrong')), 1);
    expect(position.take(10)?.frames).toEqual([frameOf(4, 6)]);
    expect(() => position.take(10)).toThrow(
      expect.objectContaining({ code: 'LOG_BATCH_UNREADABLE', details: { ...PLACE, from: 7 } }),
    );
  });

  it('takes no hole for the end of the log', () => {
    const position = positionAt(5);
    position.fetched(5, answerOf([frameOf(8, 9)]), 1);
    expect(() => position.take(10)).toThrow(
      expect.objectContaining({ code: 'POSITION_OUT_OF_RANGE', details: { ...PLACE, from: 5 } }),
    );
  });

  it('keeps what it holds behind the place that it is moved to, and nothing else', () => {
    const position = positionAt(0);
    position.fetched(0, answerOf([frameOf(0, 1), frameOf(2, 3)]), 1);
    position.moveTo(3);
    expect(position.take(10)?.frames).toEqual([frameOf(2, 3)]);
    position.moveTo(0);
    expect([position.take(10), position.next]).toEqual([null, 0]);
  });

  it('passes over an answer to what was asked before it was moved', () => {
    const position = positionAt(0);
    position.moveTo(4);
    expect(position.fetched(0, answerOf([frameOf(0, 3)]), 1)).toBe(true);
    expect([position.take(10), position.next]).toEqual([null, 4]);
  });
});

import { EventEmitter } from 'node:events';

import { describe, expect, it } from '@jest/globals';
import type { Offset, Partition } from '@breakwater/twin';
import type { ReadBatch } from '@breakwater/twin-runtime';

import type { RedisClient } from '../redis-client.ts';
import { FrameReader } from './frame-reader.ts';

/** A connection whose answers a test lays down, as pairs of first and last offset of a frame. */
class ScriptedConnection extends EventEmitter {
  bounds: readonly [first: number, end: number] = [0, 100];
  logId = 'log-1';
  frames: readonly (readonly [first: number, last: number])[] = [];
  comparisons = 0;
  beforeReply = (): void => undefined;

  pipeline(): unknown {
    this.comparisons += 1;
    const replies: [null, unknown][] = [];
    const pipeline = {
      call: (name: string) => replies.push([null, name === 'get' ? this.logId : this.bounds.map(String)]) && pipeline,
      exec: () => Promise.resolve(replies),
    };
    return pipeline;
  }

  callBuffer(): Promise<unknown> {
    this.beforeReply();
    const text = (value: unknown): Buffer => Buffer.from(String(value));
    const entries = this.frames.map(([first, last]) => [
      text(`${last}-1`),
      ['b', 'body', 'n', last - first + 1, 't', 5, 'c', 0].map(text),
    ]);
    return Promise.resolve(entries.length === 0 ? null : [[text('bw:{0}:log:telemetry:frames'), entries]]);
  }
}

function readerOn(connection: ScriptedConnection): (from: number) => Promise<readonly ReadBatch[]> {
  const reader = new FrameReader(connection as unknown as RedisClient);
  const limits = { framesMaxPerPartition: 10, waitMs: 0 };
  return (from) => reader.read([{ lane: 'telemetry', partition: 0 as Partition, from: from as Offset }], limits);
}

describe('FrameReader', () => {
  it('compares a position with the bounds once, and then goes on from answer to answer', async () => {
    const connection = new ScriptedConnection();
    const read = readerOn(connection);
    connection.frames = [
      [0, 3],
      [4, 4],
    ];
    expect(await read(2)).toMatchObject([{ frames: [{ firstOffset: 0 }, { firstOffset: 4 }] }]);
    connection.frames = [[5, 9]];
    await read(5);
    connection.frames = [];
    await read(10);
    connection.frames = [[5, 9]];
    await read(7);
    expect(connection.comparisons).toBe(1);
    connection.frames = [[0, 9]];
    await read(3);
    expect(connection.comparisons).toBe(2);
  });

  it('refuses an answer that begins after the position, or has a hole', async () => {
    for (const frames of [
      [[3, 5]],
      [
        [0, 2],
        [4, 5],
      ],
      [
        [0, 2],
        [2, 3],
      ],
    ] as const) {
      const connection = new ScriptedConnection();
      connection.frames = frames;
      await expect(readerOn(connection)(2)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
    }
  });

  it('notices that what it was about to read again is gone', async () => {
    const connection = new ScriptedConnection();
    const read = readerOn(connection);
    connection.frames = [[0, 9]];
    await read(0);
    connection.frames = [];
    connection.bounds = [10, 10];
    await expect(read(4)).rejects.toMatchObject({ code: 'POSITION_OUT_OF_RANGE' });
  });

  it('drops an answer that came over another connection than its position was compared on', async () => {
    const connection = new ScriptedConnection();
    const read = readerOn(connection);
    connection.frames = [[0, 4]];
    await read(0);
    connection.frames = [[5, 6]];
    connection.beforeReply = () => {
      connection.logId = 'log-2';
      connection.emit('ready');
    };
    expect(await read(5)).toEqual([]);
    await expect(read(5)).rejects.toMatchObject({ code: 'LOG_CHANGED' });
  });
});

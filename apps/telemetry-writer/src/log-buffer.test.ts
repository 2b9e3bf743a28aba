import type { Offset, Partition } from '@breakwater/twin';
import type { EventLog, LogFrame, ReadBatch, ReadLimits, ReadRequest } from '@breakwater/twin-runtime';
import { describe, expect, it } from '@jest/globals';

import { LogBuffer } from './log-buffer.ts';

const MIB = 1024 * 1024;

/** A backlog without end in every partition: one record per frame. */
class Backlog implements Pick<EventLog, 'read'> {
  readonly bytesPerRead: number[] = [];
  readonly frameBytes: (partition: number) => number;

  constructor(frameBytes: (partition: number) => number) {
    this.frameBytes = frameBytes;
  }

  async read(requests: readonly ReadRequest[], limits: ReadLimits): Promise<readonly ReadBatch[]> {
    const batches = requests
      .filter(({ partition }) => this.frameBytes(partition) > 0)
      .map(({ lane, partition, from }) => ({
        lane,
        partition,
        frames: Array.from({ length: limits.framesMaxPerPartition }, (_, index): LogFrame => {
          const offset = (from + index) as Offset;
          const body = Buffer.alloc(this.frameBytes(partition));
          return { firstOffset: offset, lastOffset: offset, appendedAtMs: 0, body };
        }),
      }));
    this.bytesPerRead.push(batches.flatMap(({ frames }) => frames).reduce((sum, { body }) => sum + body.length, 0));
    return batches;
  }
}

function bufferOf(log: Backlog, partitionCount: number, bytesMax: number): LogBuffer {
  const positions = new Map(Array.from({ length: partitionCount }, (_, index) => [index as Partition, 0 as Offset]));
  return new LogBuffer(log as unknown as EventLog, { framesMaxPerRead: 64, bytesMax }, positions);
}

async function fillUp(buffer: LogBuffer): Promise<void> {
  while (await buffer.fill(0));
}

describe('the buffer of the log', () => {
  it.each([
    ['the largest frames', 64, MIB],
    ['middle frames', 64, 100_000],
    ['small frames', 16, 2_000],
  ])('holds no more bytes than it may, after an outage too: %s', async (_name, partitions, frameBytes) => {
    const log = new Backlog(() => frameBytes);
    const buffer = bufferOf(log, partitions, 32 * MIB);
    await fillUp(buffer);
    expect(buffer.bytes).toBeGreaterThanOrEqual(30 * MIB);
    expect(buffer.bytes).toBeLessThanOrEqual(33 * MIB);
    expect(Math.max(...log.bytesPerRead)).toBeLessThanOrEqual(32 * MIB);
  });

  it('reads many small frames at once after it has seen some', async () => {
    const log = new Backlog(() => 500);
    const buffer = bufferOf(log, 4, 32 * MIB);
    for (let read = 0; read < 40; read += 1) await buffer.fill(0);
    expect(log.bytesPerRead.at(-1)).toBe(4 * 64 * 500);
  });

  it('comes to every partition, also when a read cannot ask for all of them', async () => {
    const log = new Backlog((partition) => (partition === 63 ? MIB : 0));
    const buffer = bufferOf(log, 64, 8 * MIB);
    expect(await buffer.fill(0)).toBe(true);
    expect(buffer.pending().map(({ partition }) => partition)).toEqual([63]);
  });

  it('reads nothing more of a partition that was sealed, and keeps what is here of it', async () => {
    const log = new Backlog(() => 500);
    const buffer = bufferOf(log, 2, 32 * MIB);
    await buffer.fill(0);
    const [first] = buffer.pending();
    const readTo = first!.frames.length;
    expect(buffer.seal(0 as Partition, readTo - 1)).toBe(false);
    expect(buffer.seal(0 as Partition, readTo)).toBe(true);
    expect(buffer.seal(0 as Partition, readTo)).toBe(false);
    await buffer.fill(0);
    const [sealed, other] = buffer.pending();
    expect(sealed!.frames).toHaveLength(readTo);
    expect(other!.frames.length).toBeGreaterThan(readTo);
  });
});

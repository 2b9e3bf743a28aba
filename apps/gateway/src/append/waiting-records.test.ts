import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { type QueueShare, type SharedRecord, WaitingRecords as SharedRecords } from './waiting-records.ts';

interface WaitingRecord extends SharedRecord {
  readonly line: string;
}

class WaitingRecords extends SharedRecords<WaitingRecord> {}

function record(share: QueueShare, line: string, bytes = 1): WaitingRecord {
  return { line, bytes, share };
}

const shareOf = (): QueueShare => ({ queuedBytes: 0 });
const lines = (records: readonly WaitingRecord[]): string[] => records.map(({ line }) => line);

function filled(waiting: WaitingRecords, share: QueueShare, count: number, name: string, bytes = 1): void {
  for (let at = 0; at < count; at++) waiting.push(record(share, `${name}${at}`, bytes));
}

describe('records that wait', () => {
  it('of one tenant leave as they came', () => {
    const waiting = new WaitingRecords();
    filled(waiting, shareOf(), 5, 'a');
    expect(lines(waiting.take({ recordsMax: 3, bytesMax: 100 }))).toEqual(['a0', 'a1', 'a2']);
    expect(lines(waiting.take({ recordsMax: 3, bytesMax: 100 }))).toEqual(['a3', 'a4']);
    expect(waiting.length).toBe(0);
  });

  it('of a quiet tenant are in the next frame, however many of another one are before them', () => {
    const waiting = new WaitingRecords();
    filled(waiting, shareOf(), 10_000, 'loud');
    filled(waiting, shareOf(), 3, 'quiet');
    const frame = lines(waiting.take({ recordsMax: 100, bytesMax: 1_000 }));
    expect(frame.filter((line) => line.startsWith('quiet'))).toEqual(['quiet0', 'quiet1', 'quiet2']);
    expect(frame).toHaveLength(100);
  });

  it('give each tenant the same part of the bytes', () => {
    const waiting = new WaitingRecords();
    filled(waiting, shareOf(), 1_000, 'large', 10);
    filled(waiting, shareOf(), 1_000, 'small', 1);
    const taken = waiting.take({ recordsMax: 1_000, bytesMax: 100 });
    const bytes = (name: string): number =>
      taken.filter(({ line }) => line.startsWith(name)).reduce((sum, each) => sum + each.bytes, 0);
    expect([bytes('large'), bytes('small')]).toEqual([50, 50]);
  });

  it('forget nobody where there are more tenants than places', () => {
    const waiting = new WaitingRecords();
    for (let tenant = 0; tenant < 10; tenant++) filled(waiting, shareOf(), 10, `t${tenant}-`);
    const seen = new Set<string>();
    for (let frame = 0; frame < 4; frame++) {
      for (const line of lines(waiting.take({ recordsMax: 3, bytesMax: 100 }))) seen.add(line.slice(0, 2));
    }
    expect(seen.size).toBe(10);
  });

  it('are all in some frame, in the order of their tenant, within the limits of frames', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ tenant: fc.nat(4), bytes: fc.integer({ min: 1, max: 60 }), takes: fc.boolean() })),
        fc.integer({ min: 1, max: 8 }),
        (steps, recordsMax) => {
          const limits = { recordsMax, bytesMax: 50 };
          const waiting = new WaitingRecords();
          const shares = Array.from({ length: 5 }, shareOf);
          const pushed: WaitingRecord[] = [];
          const taken: WaitingRecord[] = [];
          const take = (): void => {
            const frame = waiting.take(limits);
            expect(frame.length).toBeGreaterThan(0);
            expect(frame.length).toBeLessThanOrEqual(recordsMax);
            const bytes = frame.reduce((sum, each) => sum + each.bytes, 0);
            expect(frame.length === 1 || bytes <= limits.bytesMax).toBe(true);
            taken.push(...frame);
          };
          for (const { tenant, bytes, takes } of steps) {
            const each = record(shares[tenant] as QueueShare, `${tenant}:${pushed.length}`, bytes);
            pushed.push(each);
            waiting.push(each);
            if (takes) take();
          }
          while (waiting.length > 0) take();
          for (const share of shares) {
            expect(taken.filter((each) => each.share === share)).toEqual(pushed.filter((each) => each.share === share));
          }
        },
      ),
    );
  });
});

import type { DeviceId, Incarnation, LogId, Offset, Partition, SessionEpoch, TenantId } from '@breakwater/twin';
import type { EventLog, LogFrame } from '@breakwater/twin-runtime';
import { encodeRecord } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';

import { DeadLetterQuota } from './cut/dead-letter-quota.ts';
import { cutBatch, type WriterState } from './ingest-batch.ts';
import { LogBuffer } from './log-buffer.ts';
import { TenantTotals } from './tenant-totals.ts';

const PARTITIONS = [0, 1, 2, 3] as const;
const NO_LIMITS = { recordsMax: 1_000_000, bytesMax: 1_000_000_000, daysMax: 9 };

function line(textLength: number): string {
  return encodeRecord({
    tenant: 'default' as TenantId,
    device: 'd' as DeviceId,
    incarnation: 1 as Incarnation,
    sessionEpoch: 1 as SessionEpoch,
    packetId: 1,
    digest: 1,
    messageId: 'id',
    receivedAtMs: 0,
    traceparent: '',
    message: { kind: 'telemetry', points: [{ tsMs: 0, values: new Map([['s', 'x'.repeat(textLength)]]) }] },
  });
}

/** A buffer that holds as many records of each partition as it is told. */
async function bufferOf(waiting: readonly number[], textLength: number): Promise<LogBuffer> {
  const log: Pick<EventLog, 'read'> = {
    read: async (requests) =>
      requests.map(({ lane, partition, from }) => ({
        ...{ lane, partition },
        frames: Array.from({ length: (waiting[partition] ?? 0) - from }, (_, index): LogFrame => {
          const offset = (from + index) as Offset;
          return { firstOffset: offset, lastOffset: offset, appendedAtMs: 0, body: Buffer.from(line(textLength)) };
        }),
      })),
  };
  const positions = new Map(PARTITIONS.map((partition) => [partition as Partition, 0 as Offset]));
  const buffer = new LogBuffer(log as EventLog, { framesMaxPerRead: 64, bytesMax: 100_000_000 }, positions);
  while (await buffer.fill(0));
  return buffer;
}

const STATE: WriterState = {
  ...{ scope: 'telemetry', number: 0, epoch: 1, owner: 'writer', logId: 'log' as LogId, isFirst: true, blockMark: 0 },
  partitions: PARTITIONS.map((partition) => ({ partition, from: 0, to: 0, stored: 0, nothingToStore: 0, dead: 0 })),
  tenants: new TenantTotals([]),
};

async function taken(
  waiting: readonly number[],
  limits: Partial<typeof NO_LIMITS>,
  textLength = 10,
): Promise<{ readonly records: readonly number[]; readonly full: boolean }> {
  const batch = cutBatch(await bufferOf(waiting, textLength), STATE, {
    limits: { ...NO_LIMITS, ...limits },
    deadLetters: new DeadLetterQuota(10).draft(),
  });
  return { records: batch?.plan.partitions.map(({ to }) => to) ?? [], full: batch?.full ?? false };
}

describe('cutBatch', () => {
  it('gives the fullest partition what the others leave of a round', async () => {
    expect(await taken([10, 10, 60, 10], { recordsMax: 100 })).toEqual({ records: [10, 10, 60, 10], full: false });
    expect(await taken([10, 10, 500, 10], { recordsMax: 100 })).toEqual({ records: [10, 10, 70, 10], full: true });
  });

  it('holds no partition up for the backlog of another', async () => {
    const { records } = await taken([500, 500, 500, 20], { recordsMax: 100 });
    expect(records[3]).toBe(20);
    expect(Math.max(...records)).toBeLessThanOrEqual(27);
  });

  it('takes of every partition where bytes bound the round', async () => {
    const { records, full } = await taken([100, 100, 100, 100], { bytesMax: 60_000 }, 1_000);
    expect(full).toBe(true);
    expect(Math.min(...records)).toBeGreaterThan(0);
    expect(Math.max(...records) - Math.min(...records)).toBeLessThanOrEqual(1);
  });
});

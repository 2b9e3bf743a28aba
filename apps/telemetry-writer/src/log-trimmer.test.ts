import type { LogId, Offset, Partition } from '@breakwater/twin';
import type { Clock, EventLog, Lane } from '@breakwater/twin-runtime';
import { createLogger } from '@breakwater/observability';
import { describe, expect, it } from '@jest/globals';

import { LogTrimmer } from './log-trimmer.ts';

const LOG = 'log-1' as LogId;
const clock: Clock = { nowMs: () => 0, sleep: async () => undefined };

function trims(options: {
  readonly writerLog?: string;
  readonly writer?: number;
  readonly twin?: number;
  readonly end?: number;
  readonly bytes?: number;
  readonly floor?: number | null;
}) {
  const seen: [Lane, number][] = [];
  const log = {
    logId: async () => LOG,
    bounds: async () => ({ first: 0, end: options.end ?? 1_000, bytes: options.bytes ?? 0 }),
    trim: async (lane: Lane, _partition: Partition, before: Offset) => void seen.push([lane, before]),
  } as unknown as EventLog;
  const twin = (options.twin ?? 0) as Offset;
  const trimmer = new LogTrimmer({
    log,
    twins: {
      ledger: async () => ({ positions: { control: twin, telemetry: twin }, counts: { control: {}, telemetry: {} } }),
    },
    writerPositions: (logId) =>
      logId === (options.writerLog ?? LOG) ? new Map([[0 as Partition, (options.writer ?? 0) as Offset]]) : new Map(),
    rebuildFloor: () => {
      const { floor = 1_000 } = options;
      return floor === null ? null : { control: floor as Offset, telemetry: floor as Offset };
    },
    clock,
    logger: createLogger('test', 'error'),
    partitionCount: 1,
    retentionRecords: 100,
    laneBytesMax: { control: 10_000, telemetry: 40_000 },
    intervalMs: 1,
  });
  return { seen, trimmer };
}

describe('trimming the log', () => {
  it('keeps what the twins or the writer still need, and the retention behind them', async () => {
    const { seen, trimmer } = trims({ writer: 400, twin: 900 });
    await trimmer.trimOnce();
    expect(seen).toEqual([
      ['control', 800],
      ['telemetry', 300],
    ]);
    await trimmer.trimOnce();
    expect(seen).toHaveLength(2);
  });

  it('takes no position of another log, nor one behind the end', async () => {
    const other = trims({ writerLog: 'log-0', writer: 900, twin: 900 });
    await other.trimmer.trimOnce();
    expect(other.seen).toEqual([['control', 800]]);
    const behind = trims({ writer: 900, twin: 900, end: 500 });
    await behind.trimmer.trimOnce();
    expect(behind.seen).toEqual([]);
  });

  it('keeps less when the lane fills up, so that what everybody has applied never fills it', async () => {
    // 20 bytes each: half of the control lane are the last 250 records, and the telemetry lane is half empty.
    const { seen, trimmer } = trims({ writer: 1_000, twin: 1_000, bytes: 20_000 });
    await trimmer.trimOnce();
    expect(seen).toEqual([
      ['control', 900],
      ['telemetry', 900],
    ]);
    const pressed = trims({ writer: 1_000, twin: 1_000, bytes: 200_000 });
    await pressed.trimmer.trimOnce();
    expect(pressed.seen).toEqual([
      ['control', 975],
      ['telemetry', 900],
    ]);
  });

  it('keeps what a rebuild needs until the lane is half full, and everything while that is not known', async () => {
    const behind = trims({ writer: 1_000, twin: 1_000, floor: 600, bytes: 20_000 });
    await behind.trimmer.trimOnce();
    expect(behind.seen).toEqual([
      ['control', 750],
      ['telemetry', 600],
    ]);
    const unknown = trims({ writer: 1_000, twin: 1_000, floor: null });
    await unknown.trimmer.trimOnce();
    expect(unknown.seen).toEqual([]);
    const pressed = trims({ writer: 1_000, twin: 1_000, floor: null, bytes: 200_000 });
    await pressed.trimmer.trimOnce();
    expect(pressed.seen).toEqual([
      ['control', 975],
      ['telemetry', 900],
    ]);
  });

  it('never forgets what a consumer needs, however full the lane is', async () => {
    const { seen, trimmer } = trims({ writer: 300, twin: 400, bytes: 10_000_000 });
    await trimmer.trimOnce();
    expect(seen).toEqual([
      ['control', 400],
      ['telemetry', 300],
    ]);
  });
});

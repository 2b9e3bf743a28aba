import type { DeviceKey, LogId } from '@breakwater/twin';
import { type EventLog, LANES, type LanePositions } from '@breakwater/twin-runtime';

import { type Finding, type PartResult } from './finding.ts';
import { type LogRecord, recordsOf } from './log-records.ts';
import { possibleOrders, replayTwin } from './replay-twin.ts';
import type { CopiedShard } from './twin-copies.ts';

export interface TwinParts {
  readonly log: EventLog;
  readonly logId: LogId;
}

/** The same twins, copied twice. */
export interface CopyPair {
  readonly before: CopiedShard;
  readonly after: CopiedShard;
}

/** Records of one partition that one replay goes through. */
const RECORDS_MAX = 500_000;
const NOTHING: LanePositions = { control: 0, telemetry: 0 } as unknown as LanePositions;

interface Span {
  readonly from: LanePositions;
  readonly to: LanePositions;
}

interface Tally {
  twins: number;
  records: number;
  fromTheBeginning: number;
  readonly findings: Finding[];
  readonly skipped: string[];
}

/**
 * Replays the retained log on the copies with the production domain, and compares the result byte by byte with the
 * twins as they are stored. Where the log still has everything from its first record on, the earlier copy itself is
 * replayed as well, from nothing: then also a twin is found that was changed before the verification began.
 */
export async function verifyTwins(parts: TwinParts, pairs: readonly CopyPair[]): Promise<PartResult> {
  const tally: Tally = { twins: 0, records: 0, fromTheBeginning: 0, findings: [], skipped: [] };
  for (const pair of pairs) await verifyPair(parts, pair, tally);
  const { twins, records, fromTheBeginning, findings, skipped } = tally;
  const compared = `${twins} twins after ${records} records of theirs, ${fromTheBeginning} from their beginning on`;
  return { part: 'twins', compared, findings, skipped };
}

async function verifyPair({ log, logId }: TwinParts, { before, after }: CopyPair, tally: Tally): Promise<void> {
  const { partition } = after;
  const skip = (why: string): void => void tally.skipped.push(`partition ${partition}: ${why}`);
  if (after.logId === null) return;
  if (before.logId !== logId || after.logId !== logId) return skip('the twins belong to another log');
  const firsts = await Promise.all(LANES.map(async (lane) => (await log.bounds(lane, partition)).first));
  const isWhole = firsts.every((first) => first === 0);
  const span = { from: isWhole ? NOTHING : before.positions, to: after.positions };
  const records = LANES.reduce((sum, lane) => sum + span.to[lane] - span.from[lane], 0);
  if (records > RECORDS_MAX) return skip(`${records} records are too many for one replay`);
  const byKey = await recordsByKey(log, after, span);
  if (byKey === null) return skip('the log has forgotten the records since the copies; wait for a shorter time');
  const states = new Map(before.twins.map(({ key, state }) => [key, state]));
  for (const { key, state } of after.twins) {
    const ofTwin = byKey.get(key) ?? [];
    tally.twins += 1;
    tally.records += ofTwin.length;
    if (isWhole) tally.fromTheBeginning += 1;
    const start = isWhole ? null : (states.get(key) ?? null);
    const found = differenceOf(key, { start, end: state }, ofTwin);
    if (found !== null) tally.findings.push(found);
  }
}

async function recordsByKey(
  log: EventLog,
  { partition, twins }: CopiedShard,
  { from, to }: Span,
): Promise<ReadonlyMap<DeviceKey, LogRecord[]> | null> {
  const byKey = new Map<DeviceKey, LogRecord[]>(twins.map(({ key }) => [key, []]));
  try {
    for (const lane of LANES) {
      for await (const record of recordsOf(log, { lane, partition, from: from[lane], to: to[lane] })) {
        if (record.decoded !== null) byKey.get(record.decoded.key)?.push(record);
      }
    }
    return byKey;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'POSITION_OUT_OF_RANGE') return null;
    throw error;
  }
}

function differenceOf(
  key: DeviceKey,
  { start, end }: { readonly start: string | null; readonly end: string | null },
  records: readonly LogRecord[],
): Finding | null {
  const outcomes = possibleOrders(records).map((order) => replayTwin(key, start, order));
  // What an older version of the stored form holds is the same twin in other bytes.
  if (outcomes.includes(end) || outcomes.includes(replayTwin(key, end, []))) return null;
  const [expected] = outcomes as [string | null];
  const detail = `${key}, after ${records.length} records: ${whereTheyDiffer(expected, end)}`;
  return { part: 'twins', kind: 'twinDiffers', detail };
}

/** The first place at which two states differ, with what is there on both sides. */
function whereTheyDiffer(expected: string | null, stored: string | null): string {
  if (stored === null) return 'nothing is stored, and its records make a twin';
  if (expected === null) return 'a twin is stored, and no record made it';
  let at = 0;
  while (at < expected.length && expected[at] === stored[at]) at += 1;
  const from = Math.max(0, at - CONTEXT_CHARACTERS);
  const cut = (text: string): string => text.slice(from, at + CONTEXT_CHARACTERS);
  return `at character ${at} its records make "${cut(expected)}", and "${cut(stored)}" is stored`;
}

const CONTEXT_CHARACTERS = 40;

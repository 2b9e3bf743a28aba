import { MemoryEventLog, MemoryTwinStore } from '@breakwater/adapter-memory';
import {
  applyMessage,
  type DeviceId,
  type DeviceKey,
  type Incarnation,
  type LogId,
  newTwin,
  type Offset,
  parseTwin,
  type Partition,
  serializeTwin,
  type SessionEpoch,
  splitDeviceKey,
  type TenantId,
} from '@breakwater/twin';
import { type Lane, type LanePositions, systemClock } from '@breakwater/twin-runtime';
import { encodeRecord, type RecordMessage } from '@breakwater/wire';
import { beforeEach, describe, expect, it } from '@jest/globals';

import { recordsOf } from './log-records.ts';
import { type CopiedShard, copyShard, sampleKeys } from './twin-copies.ts';
import { verifyTwins } from './verify-twins.ts';

const LOG = 'log' as LogId;
const P0 = 0 as Partition;
const KEY = 'acme/d1' as DeviceKey;

const telemetry = (value: number): RecordMessage => ({
  kind: 'telemetry',
  points: [{ tsMs: 1_000 + value, values: new Map([['a', value]]) }],
});
const reported = (value: number): RecordMessage => ({ kind: 'reportState', patch: { value } });

describe('the replay of twins', () => {
  let log: MemoryEventLog;
  let twins: MemoryTwinStore;
  let seq = 0;

  beforeEach(() => {
    log = new MemoryEventLog({ clock: systemClock, logId: LOG });
    twins = new MemoryTwinStore();
  });

  async function append(lane: Lane, message: RecordMessage): Promise<void> {
    const body = encodeRecord({
      ...{ tenant: 'acme' as TenantId, device: 'd1' as DeviceId, incarnation: 1 as Incarnation },
      ...{ sessionEpoch: 1 as SessionEpoch, packetId: 0, digest: 0, messageId: '', receivedAtMs: 1_000 },
      ...{ traceparent: '', message },
    });
    seq += 1;
    await log.append([{ lane, partition: P0, producerId: `p${seq}`, seq: 1, body, recordCount: 1 }]);
  }

  /** Applies what is new, control first, as a worker does. */
  async function work(): Promise<void> {
    const owned = await twins.takeOwnership(P0, 'worker');
    const stored = await twins.read(P0, KEY);
    // A fold of its own: the replay must not be measured by itself.
    let twin = stored.state === null ? newTwin(splitDeviceKey(KEY), 1 as Incarnation) : parseTwin(stored.state);
    const next: Record<Lane, number> = { control: 0, telemetry: 0 };
    const counts: Record<Lane, object> = { control: {}, telemetry: {} };
    for (const lane of ['control', 'telemetry'] as const) {
      next[lane] = (await log.bounds(lane, P0)).end;
      const from = owned.positions[lane];
      for await (const record of recordsOf(log, { lane, partition: P0, from, to: next[lane] })) {
        const { incarnation, sessionEpoch, message } = record.decoded!;
        const place = { lane, offset: record.offset, nowMs: record.appendedAtMs };
        twin = applyMessage(twin, message, { ...place, incarnation, sessionEpoch }).state;
      }
      if (next[lane] > from) counts[lane] = { applied: next[lane] - from };
    }
    const state = serializeTwin(twin);
    await twins.commit([
      {
        ...{ partition: P0, epoch: owned.epoch, logId: LOG, expected: owned.positions, outbox: [], timers: [] },
        next: next as unknown as LanePositions,
        twins: [{ key: KEY, expectedRevision: stored.revision, state }],
        counts,
        tenants: { control: { acme: counts.control }, telemetry: { acme: counts.telemetry } },
      },
    ]);
  }

  const copy = () => copyShard(twins, P0, [KEY]);
  const tampered = (shard: CopiedShard): CopiedShard => ({
    ...shard,
    twins: shard.twins.map(({ key, state }) => ({ key, state: (state ?? '').replace('7', '8') })),
  });

  it('agrees with what the workers stored, whatever the lanes carried', async () => {
    await append('telemetry', telemetry(1));
    await work();
    const before = await copy();
    await append('control', reported(1));
    await append('telemetry', telemetry(2));
    await work();
    await append('control', reported(2));
    await work();
    const result = await verifyTwins({ log, logId: LOG }, [{ before, after: await copy() }]);
    expect(result).toMatchObject({ findings: [], skipped: [] });
    expect(result.compared).toBe('1 twins after 4 records of theirs, 1 from their beginning on');
  });

  it('names a twin that was changed, though nothing came since', async () => {
    await append('telemetry', telemetry(7));
    await work();
    const shard = tampered(await copy());
    const { findings } = await verifyTwins({ log, logId: LOG }, [{ before: shard, after: shard }]);
    expect(findings).toMatchObject([
      { kind: 'twinDiffers', detail: expect.stringMatching(/^acme\/d1, after 1 records/) },
    ]);
  });

  it('replays from the copy where the log has forgotten the beginning, and says when it cannot', async () => {
    await append('telemetry', telemetry(1));
    await work();
    const before = await copy();
    await append('telemetry', telemetry(7));
    await append('telemetry', telemetry(17));
    await work();
    const after = await copy();
    await log.trim('telemetry', P0, 1 as Offset);
    const good = await verifyTwins({ log, logId: LOG }, [{ before, after }]);
    expect(good).toMatchObject({ findings: [], skipped: [], compared: expect.stringContaining('after 2 records') });
    const bad = await verifyTwins({ log, logId: LOG }, [{ before, after: tampered(after) }]);
    expect(bad.findings).toHaveLength(1);
    await log.trim('telemetry', P0, 2 as Offset);
    const late = await verifyTwins({ log, logId: LOG }, [{ before, after }]);
    expect(late).toMatchObject({ findings: [], skipped: [expect.stringContaining('forgotten')] });
  });

  it('draws devices that sent something of late', async () => {
    expect(await sampleKeys(log, P0, { twinsMax: 3, random: { next: () => 0.5, id: () => 'x' } })).toEqual([]);
    await append('control', reported(1));
    expect(await sampleKeys(log, P0, { twinsMax: 3, random: { next: () => 0.5, id: () => 'x' } })).toEqual([KEY]);
  });
});

import type { DeviceKey, LogId, Partition } from '@breakwater/twin';
import { type EventLog, LANES, type LanePositions, type Random, type TwinCopier } from '@breakwater/twin-runtime';

import { recordsOf } from './log-records.ts';

/** Some twins of one partition, with the positions that produced them, as they were at one moment. */
export interface CopiedShard {
  readonly partition: Partition;
  readonly logId: LogId | null;
  readonly positions: LanePositions;
  readonly twins: readonly { readonly key: DeviceKey; readonly state: string | null }[];
}

/** Records at the end of each lane that are looked through for devices. */
const TAIL_RECORDS = 2_000;

/**
 * Devices of a partition that sent something of late: those are the ones whose twins change. Drawn at random, so that
 * repeated runs see others.
 */
export async function sampleKeys(
  log: EventLog,
  partition: Partition,
  options: { readonly twinsMax: number; readonly random: Random },
): Promise<readonly DeviceKey[]> {
  const keys = new Set<DeviceKey>();
  for (const lane of LANES) {
    const { first, end } = await log.bounds(lane, partition);
    const from = Math.max(first, end - TAIL_RECORDS);
    for await (const { decoded } of recordsOf(log, { lane, partition, from, to: end })) {
      if (decoded !== null) keys.add(decoded.key);
    }
  }
  const drawn = [...keys].map((key) => ({ key, at: options.random.next() }));
  return drawn
    .sort((one, other) => one.at - other.at)
    .slice(0, options.twinsMax)
    .map(({ key }) => key);
}

export async function copyShard(
  copier: TwinCopier,
  partition: Partition,
  keys: readonly DeviceKey[],
): Promise<CopiedShard> {
  const { logId, positions, twins } = await copier.copy(partition, keys);
  return { partition, logId, positions, twins: twins.map(({ key, state }) => ({ key, state })) };
}

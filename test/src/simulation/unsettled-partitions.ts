import type { Partition } from '@breakwater/twin';
import { type EventLog, LANES, type TwinStore } from '@breakwater/twin-runtime';

const OUTBOX_SHOWN_MAX = 10;

/** What of these partitions is still on its way, or wrong. */
export async function unsettledPartitions(
  partitions: readonly Partition[],
  { log, store }: { readonly log: Pick<EventLog, 'bounds'>; readonly store: Pick<TwinStore, 'ledger' | 'outbox'> },
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const partition of partitions) {
    const { positions, counts } = await store.ledger(partition);
    for (const lane of LANES) {
      const { end } = await log.bounds(lane, partition);
      const sum = Object.values(counts[lane]).reduce((total, count) => total + count, 0);
      if (positions[lane] !== end) problems.push(`${lane} of ${partition} stands at ${positions[lane]} of ${end}`);
      if (sum !== positions[lane])
        problems.push(`${lane} of ${partition} has ${sum} outcomes for ${positions[lane]} records`);
    }
    const outbox = await store.outbox(partition, OUTBOX_SHOWN_MAX);
    if (outbox.length > 0) problems.push(`outbox of ${partition} holds ${outbox.map(({ id }) => id).join(' ')}`);
  }
  return problems;
}

import type { LogId, Partition } from '@breakwater/twin';

import { type EventLog, type Lane, LANES, type LogBounds } from '../ports/event-log.ts';
import type { WriterLedger } from '../ports/telemetry-reader.ts';
import type { TwinStore } from '../ports/twin-store.ts';
import {
  type Consumer,
  type ConsumerReading,
  type Imbalance,
  imbalancesOf,
  tenantDifferences,
} from './ledger-balance.ts';

export interface LedgerParts {
  readonly log: EventLog;
  readonly twins: Pick<TwinStore, 'tenantLedger'>;
  readonly writer: WriterLedger;
  readonly partitionCount: number;
  /** Told when the writer's side cannot be read: the rest of the ledger is still worth reading. */
  readonly onWriterAway: (error: unknown) => void;
}

export interface LaneReading {
  readonly lane: Lane;
  readonly partition: Partition;
  readonly bounds: LogBounds;
  readonly consumers: readonly ConsumerReading[];
}

export interface LedgerReading {
  readonly logId: LogId;
  readonly lanes: readonly LaneReading[];
  readonly imbalances: readonly Imbalance[];
  /** Consumers that could not be asked; they are left out. */
  readonly degraded: readonly Consumer[];
}

/**
 * Reads the log's beginning, then its consumers, then its end. Any other order would show, under load, records that are
 * missing or that nobody appended, though nothing is wrong.
 */
export async function readLedger(parts: LedgerParts): Promise<LedgerReading> {
  const { log, partitionCount } = parts;
  const partitions = Array.from({ length: partitionCount }, (_, at) => at as Partition);
  const places = LANES.flatMap((lane) => partitions.map((partition) => ({ lane, partition })));
  const logId = await log.logId();
  const before = await Promise.all(places.map(({ lane, partition }) => log.bounds(lane, partition)));
  const [twins, writer] = await Promise.all([readTwins(parts, partitions), readWriter(parts)]);
  const after = await Promise.all(places.map(({ lane, partition }) => log.bounds(lane, partition)));
  const imbalances: Imbalance[] = [];
  const lanes = places.map(({ lane, partition }, at) => {
    const [first, bounds] = [before[at]!.first, after[at]!];
    const place = `${lane}:${partition}`;
    const consumers = [twins.get(place)!, ...(writer === null ? [] : writerReadings(writer, lane, partition, first))];
    const inLog = { logId, firstBefore: first, endAfter: bounds.end };
    for (const reading of consumers) imbalances.push(...imbalancesOf(reading, inLog));
    const [one, other] = consumers;
    if (one !== undefined && other !== undefined) imbalances.push(...tenantDifferences(one, other));
    return { lane, partition, bounds, consumers };
  });
  return { logId, lanes, imbalances, degraded: writer === null ? ['writer'] : [] };
}

async function readTwins(
  { twins }: LedgerParts,
  partitions: readonly Partition[],
): Promise<ReadonlyMap<string, ConsumerReading>> {
  const readings = new Map<string, ConsumerReading>();
  await Promise.all(
    partitions.map(async (partition) => {
      const { positions, counts, tenants, logId } = await twins.tenantLedger(partition);
      for (const lane of LANES) {
        readings.set(`${lane}:${partition}`, {
          consumer: 'twins',
          lane,
          partition,
          position: positions[lane],
          began: 0,
          logId,
          outcomes: counts[lane],
          tenants: tenants[lane],
        });
      }
    }),
  );
  return readings;
}

type WriterReadings = ReadonlyMap<number, ConsumerReading>;

async function readWriter({ writer, onWriterAway }: LedgerParts): Promise<WriterReadings | null> {
  try {
    const entries = await writer.readWriterLedger();
    return new Map(
      entries.map(({ partition, position, began, counts, tenants, logId: counted }) => [
        partition,
        {
          consumer: 'writer',
          lane: 'telemetry',
          partition,
          position,
          began,
          logId: counted,
          outcomes: counts,
          tenants,
        },
      ]),
    );
  } catch (error) {
    onWriterAway(error);
    return null;
  }
}

/** The writer takes the telemetry lane alone, and begins where a log begins that it has no plan of. */
function writerReadings(writer: WriterReadings, lane: Lane, partition: Partition, first: number): ConsumerReading[] {
  if (lane !== 'telemetry') return [];
  const known = writer.get(partition);
  if (known !== undefined) return [known];
  const nothing = { position: first, began: first, logId: null, outcomes: {}, tenants: null };
  return [{ consumer: 'writer', lane, partition, ...nothing }];
}

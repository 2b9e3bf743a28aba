import { Inject, Injectable } from '@nestjs/common';
import type { Partition } from '@breakwater/twin';
import { LANES, type EventLog, type Lane, type TwinStore, type WriterLedger } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { API_OPTIONS, EVENT_LOG, LOGGER, TWIN_STORE, WRITER_LEDGER, type ApiOptions } from '../api-ports.ts';
import { AppendRates } from './append-rates.ts';

type Consumer = 'twins' | 'writer';

export interface ConsumerLedger {
  readonly position: number;
  readonly inFlight: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

export interface PartitionLedger {
  readonly lane: Lane;
  readonly partition: number;
  readonly firstKept: number;
  readonly appended: number;
  readonly bytes: number;
  /** Full at so many bytes; then acknowledgements are withheld. */
  readonly bytesMax: number;
  /** Until it is full, at the rate of late and if nothing is trimmed; of a lane, by its first partition. */
  readonly secondsLeft: number | null;
  readonly consumers: Readonly<Partial<Record<Consumer, ConsumerLedger>>>;
}

export interface Ledger {
  readonly logId: string;
  readonly lanes: Readonly<Record<Lane, Omit<PartitionLedger, 'lane' | 'partition' | 'firstKept'>>>;
  readonly partitions: readonly PartitionLedger[];
  readonly degraded: readonly string[];
}

interface Reading {
  readonly position: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

type Readings = ReadonlyMap<string, Reading>;

/**
 * appended = sum of outcomes + in flight, for each consumer, lane and partition. Consumers are read before the log's
 * end: read the other way round, a record appended in between would be an outcome of something that was never appended.
 */
@Injectable()
export class LedgerService {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    @Inject(WRITER_LEDGER) private readonly writer: WriterLedger,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly rates: AppendRates,
  ) {}

  async read(): Promise<Ledger> {
    const partitions = Array.from({ length: this.options.partitionCount }, (_, at) => at as Partition);
    const [twins, writer] = await Promise.all([this.#readTwins(partitions), this.#readWriter(partitions)]);
    const entries = await Promise.all(
      LANES.flatMap((lane) => partitions.map((partition) => this.#entry(lane, partition, { twins, writer }))),
    );
    return {
      logId: await this.log.logId(),
      lanes: { control: total(entries, 'control'), telemetry: total(entries, 'telemetry') },
      partitions: entries,
      degraded: writer === null ? ['writer'] : [],
    };
  }

  async #readTwins(partitions: readonly Partition[]): Promise<Readings> {
    const readings = new Map<string, Reading>();
    await Promise.all(
      partitions.map(async (partition) => {
        const { positions, counts } = await this.twins.ledger(partition);
        for (const lane of LANES) {
          readings.set(`${lane}:${partition}`, { position: positions[lane], outcomes: { ...counts[lane] } });
        }
      }),
    );
    return readings;
  }

  /** Null while the telemetry store is away: the rest of the ledger is still worth reading. */
  async #readWriter(partitions: readonly Partition[]): Promise<Readings | null> {
    try {
      const readings = new Map<string, Reading>(
        partitions.map((partition) => [`telemetry:${partition}`, { position: 0, outcomes: {} }]),
      );
      for (const { partition, position, counts } of await this.writer.readWriterLedger()) {
        readings.set(`telemetry:${partition}`, { position, outcomes: { ...counts } });
      }
      return readings;
    } catch (error) {
      this.logger.warn({ err: error }, 'the ledger of the telemetry writer cannot be read');
      return null;
    }
  }

  async #entry(
    lane: Lane,
    partition: Partition,
    readings: Readonly<Record<Consumer, Readings | null>>,
  ): Promise<PartitionLedger> {
    const bounds = await this.log.bounds(lane, partition);
    const consumers: Partial<Record<Consumer, ConsumerLedger>> = {};
    for (const consumer of ['twins', 'writer'] as const) {
      const reading = readings[consumer]?.get(`${lane}:${partition}`);
      if (reading !== undefined) consumers[consumer] = { ...reading, inFlight: bounds.end - reading.position };
    }
    return {
      lane,
      partition,
      firstKept: bounds.first,
      appended: bounds.end,
      bytes: bounds.bytes,
      bytesMax: this.options.laneBytesMax[lane],
      secondsLeft: this.rates.secondsLeft(lane, partition, bounds),
      consumers,
    };
  }
}

function total(entries: readonly PartitionLedger[], lane: Lane): Ledger['lanes'][Lane] {
  const consumers: Partial<Record<Consumer, ConsumerLedger>> = {};
  let appended = 0;
  let bytes = 0;
  let bytesMax = 0;
  let secondsLeft: number | null = null;
  for (const entry of entries) {
    if (entry.lane !== lane) continue;
    appended += entry.appended;
    bytes += entry.bytes;
    bytesMax += entry.bytesMax;
    if (entry.secondsLeft !== null) secondsLeft = Math.min(entry.secondsLeft, secondsLeft ?? entry.secondsLeft);
    for (const [name, ledger] of Object.entries(entry.consumers) as [Consumer, ConsumerLedger][]) {
      consumers[name] = addUp(consumers[name], ledger);
    }
  }
  return { appended, bytes, bytesMax, secondsLeft, consumers };
}

function addUp(sum: ConsumerLedger | undefined, one: ConsumerLedger): ConsumerLedger {
  if (sum === undefined) return one;
  const outcomes: Record<string, number> = { ...sum.outcomes };
  for (const [outcome, count] of Object.entries(one.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
  return { position: sum.position + one.position, inFlight: sum.inFlight + one.inFlight, outcomes };
}

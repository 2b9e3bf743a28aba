import { Inject, Injectable } from '@nestjs/common';
import {
  type Consumer,
  type ConsumerReading,
  type EventLog,
  type Imbalance,
  type Lane,
  type LaneReading,
  type LedgerReading,
  readLedger,
  type Refusal,
  type RefusalCounts,
  sumOf,
  type TwinStore,
  type WriterLedger,
} from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import {
  API_OPTIONS,
  EVENT_LOG,
  LOGGER,
  REFUSAL_COUNTS,
  TWIN_STORE,
  WRITER_LEDGER,
  type ApiOptions,
} from '../api-ports.ts';
import { AppendRates } from './append-rates.ts';
import { LedgerChecker } from './ledger-checker.ts';

type Counts = Readonly<Record<string, number>>;

export interface ConsumerLedger {
  readonly position: number;
  readonly inFlight: number;
  readonly outcomes: Counts;
}

export interface PartitionLedger {
  readonly lane: Lane;
  readonly partition: number;
  readonly firstKept: number;
  readonly appended: number;
  /** Null, like what may be there, where only the engine of the log knows. */
  readonly bytes: number | null;
  /** Full at so many bytes; then acknowledgements are withheld. */
  readonly bytesMax: number | null;
  /** Until it is full, at the rate of late and if nothing is trimmed; of a lane, by its first partition. */
  readonly secondsLeft: number | null;
  readonly consumers: Readonly<Partial<Record<Consumer, ConsumerLedger>>>;
}

/** What became of one tenant's records in one lane, over all partitions. */
export interface TenantLine {
  readonly tenant: string;
  readonly lane: Lane;
  readonly consumer: Consumer;
  readonly records: number;
  readonly outcomes: Counts;
}

/** What a tenant may see of it. */
export interface TenantLedgerView {
  readonly logId: string;
  readonly tenants: readonly TenantLine[];
  /** What was turned away before the log, over all gateways and their lives. */
  readonly refused: readonly Refusal[];
  /** Whether the last checks found nothing that lasted. */
  readonly balanced: boolean;
  readonly imbalances: readonly (Imbalance & { readonly since: number | null })[];
  readonly checkedAt: number | null;
  readonly degraded: readonly string[];
}

export interface Ledger extends TenantLedgerView {
  readonly lanes: Readonly<Record<Lane, Omit<PartitionLedger, 'lane' | 'partition' | 'firstKept'>>>;
  readonly partitions: readonly PartitionLedger[];
}

/** appended = sum of outcomes + in flight, for each consumer, lane, partition and tenant. */
@Injectable()
export class LedgerService {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    @Inject(WRITER_LEDGER) private readonly writer: WriterLedger,
    @Inject(REFUSAL_COUNTS) private readonly refusals: Pick<RefusalCounts, 'read'>,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly rates: AppendRates,
    private readonly checker: LedgerChecker,
  ) {}

  async read(): Promise<Ledger> {
    const [reading, refused] = await Promise.all([this.#reading(), this.refusals.read()]);
    const partitions = reading.lanes.map((lane) => this.#entry(lane));
    return {
      ...this.#view(reading, tenantLines(reading.lanes)),
      refused,
      lanes: { control: total(partitions, 'control'), telemetry: total(partitions, 'telemetry') },
      partitions,
    };
  }

  /** One tenant's lines. Partitions and imbalances are the installation's, and so not the tenant's to see. */
  async readOf(tenant: string): Promise<TenantLedgerView> {
    const [reading, refused] = await Promise.all([this.#reading(), this.refusals.read()]);
    const lines = tenantLines(reading.lanes).filter((line) => line.tenant === tenant);
    return { ...this.#view(reading, lines), refused: refused.filter((each) => each.tenant === tenant), imbalances: [] };
  }

  #reading(): Promise<LedgerReading> {
    return readLedger({
      log: this.log,
      twins: this.twins,
      writer: this.writer,
      partitionCount: this.options.partitionCount,
      onWriterAway: (error) => this.logger.warn({ err: error }, 'the ledger of the telemetry writer cannot be read'),
    });
  }

  #view(
    { logId, imbalances, degraded }: LedgerReading,
    tenants: readonly TenantLine[],
  ): Omit<TenantLedgerView, 'refused'> {
    const { lasting, checkedAtMs } = this.checker;
    return {
      logId,
      tenants,
      balanced: lasting.length === 0,
      imbalances: [
        ...lasting.map(({ sinceMs, ...imbalance }) => ({ ...imbalance, since: sinceMs })),
        // Seen by this reading alone so far.
        ...imbalances.filter((each) => !lasting.some((known) => isSame(known, each))).map(asNew),
      ],
      checkedAt: checkedAtMs,
      degraded,
    };
  }

  #entry({ lane, partition, bounds, consumers }: LaneReading): PartitionLedger {
    return {
      lane,
      partition,
      firstKept: bounds.first,
      appended: bounds.end,
      bytes: this.options.laneBytesMax[lane] === null ? null : bounds.bytes,
      bytesMax: this.options.laneBytesMax[lane],
      secondsLeft: this.rates.secondsLeft(lane, partition, bounds),
      consumers: Object.fromEntries(
        consumers.map(({ consumer, position, outcomes }) => [
          consumer,
          { position, inFlight: bounds.end - position, outcomes },
        ]),
      ),
    };
  }
}

function asNew(imbalance: Imbalance): Imbalance & { readonly since: null } {
  return { ...imbalance, since: null };
}

function isSame(one: Imbalance, other: Imbalance): boolean {
  return (['kind', 'consumer', 'lane', 'partition', 'tenant'] as const).every((field) => one[field] === other[field]);
}

function tenantLines(lanes: readonly LaneReading[]): TenantLine[] {
  const lines = new Map<string, TenantLine>();
  for (const reading of lanes.flatMap(({ consumers }) => consumers)) addTenants(lines, reading);
  return [...lines.values()].sort((one, other) => (one.tenant < other.tenant ? -1 : Number(one.tenant > other.tenant)));
}

function addTenants(lines: Map<string, TenantLine>, { lane, consumer, tenants }: ConsumerReading): void {
  for (const [tenant, outcomes] of Object.entries(tenants ?? {})) {
    const name = `${tenant} ${lane} ${consumer}`;
    const before = lines.get(name);
    lines.set(name, {
      tenant,
      lane,
      consumer,
      records: (before?.records ?? 0) + sumOf(outcomes),
      outcomes: addCounts(before?.outcomes ?? {}, outcomes),
    });
  }
}

function total(entries: readonly PartitionLedger[], lane: Lane): Ledger['lanes'][Lane] {
  const consumers: Partial<Record<Consumer, ConsumerLedger>> = {};
  let appended = 0;
  let bytes: number | null = 0;
  let bytesMax: number | null = 0;
  let secondsLeft: number | null = null;
  for (const entry of entries) {
    if (entry.lane !== lane) continue;
    appended += entry.appended;
    bytes = addKnown(bytes, entry.bytes);
    bytesMax = addKnown(bytesMax, entry.bytesMax);
    if (entry.secondsLeft !== null) secondsLeft = Math.min(entry.secondsLeft, secondsLeft ?? entry.secondsLeft);
    for (const [name, ledger] of Object.entries(entry.consumers) as [Consumer, ConsumerLedger][]) {
      consumers[name] = addUp(consumers[name], ledger);
    }
  }
  return { appended, bytes, bytesMax, secondsLeft, consumers };
}

/** What is not known of one part is not known of the sum. */
function addKnown(sum: number | null, more: number | null): number | null {
  return sum === null || more === null ? null : sum + more;
}

function addUp(sum: ConsumerLedger | undefined, one: ConsumerLedger): ConsumerLedger {
  if (sum === undefined) return one;
  return {
    position: sum.position + one.position,
    inFlight: sum.inFlight + one.inFlight,
    outcomes: addCounts(sum.outcomes, one.outcomes),
  };
}

function addCounts(sum: Counts, more: Counts): Counts {
  const counts: Record<string, number> = { ...sum };
  for (const [outcome, count] of Object.entries(more)) counts[outcome] = (counts[outcome] ?? 0) + count;
  return counts;
}

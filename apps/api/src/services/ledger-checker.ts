import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import {
  type Clock,
  type EventLog,
  type Imbalance,
  type LastingImbalance,
  LastingImbalances,
  type LedgerReading,
  readLedger,
  type TwinStore,
  type WriterLedger,
} from '@breakwater/twin-runtime';
import type { Gauge, Logger, Metrics } from '@breakwater/observability';

import {
  API_OPTIONS,
  CLOCK,
  EVENT_LOG,
  LOGGER,
  METRICS,
  TWIN_STORE,
  WRITER_LEDGER,
  type ApiOptions,
} from '../api-ports.ts';
import { StalledConsumers } from './stalled-consumers.ts';

/** An imbalance lasts when so many checks after one another have found it. */
const LASTING_CHECKS = 3;
const CODE = 'LEDGER_IMBALANCE';

/**
 * Checks the ledger again and again, and from time to time the rows themselves. Each process of the API does: checking
 * only reads, costs little, and must not hang on one process that may be away just when something goes missing.
 */
@Injectable()
export class LedgerChecker implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #stop = new AbortController();
  readonly #seen = new LastingImbalances(LASTING_CHECKS);
  readonly #gauge: Gauge<'consumer' | 'lane' | 'partition'>;
  readonly #checked: Gauge;
  readonly #stalled: Gauge<'consumer' | 'lane'>;
  readonly #consumers = new StalledConsumers();
  #running: Promise<void> = Promise.resolve();
  /** What the last audit of the rows found; it stands until the next one. */
  #audited: readonly Imbalance[] = [];
  #auditDueAtMs = 0;
  #checkedAtMs: number | null = null;
  #told: ReadonlySet<string> = new Set();

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    @Inject(WRITER_LEDGER) private readonly writer: WriterLedger,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(METRICS) metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.#gauge = metrics.gauge(
      'ledger_imbalance',
      'Records that the ledger misses or has too many, where that lasts. Anything but 0 is a fault.',
      ['consumer', 'lane', 'partition'],
    );
    this.#checked = metrics.gauge('ledger_checked_seconds', 'Unix time of the last whole check of the ledger.');
    this.#stalled = metrics.gauge(
      'ledger_stalled_seconds',
      'For how long a consumer has taken nothing of some partition although there was something to take.',
      ['consumer', 'lane'],
    );
  }

  /** What several checks after one another have found. */
  get lasting(): readonly LastingImbalance[] {
    return this.#seen.lasting;
  }

  get checkedAtMs(): number | null {
    return this.#checkedAtMs;
  }

  onApplicationBootstrap(): void {
    this.#running = this.#run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** One check. While the writer cannot be read, what was found of it stands. */
  async check(): Promise<void> {
    const reading = await readLedger({
      log: this.log,
      twins: this.twins,
      writer: this.writer,
      partitionCount: this.options.partitionCount,
      // Whether the store is away is told by the readiness.
      onWriterAway: () => undefined,
    });
    for (const { consumer, lane, ms } of this.#consumers.note(reading, this.clock.nowMs())) {
      this.#stalled.set({ consumer, lane }, ms / 1_000);
    }
    const isWhole = reading.degraded.length === 0;
    if (isWhole) await this.#auditIfDue(reading);
    const ofWriter = isWhole ? [] : this.lasting.filter(({ consumer }) => consumer === 'writer');
    const audited = isWhole ? this.#audited : [];
    this.#seen.note([...reading.imbalances, ...ofWriter, ...audited], this.clock.nowMs());
    this.#checkedAtMs = this.clock.nowMs();
    this.#checked.set(this.#checkedAtMs / 1_000);
    this.#tell(reading);
  }

  async #auditIfDue({ logId }: LedgerReading): Promise<void> {
    const nowMs = this.clock.nowMs();
    if (nowMs < this.#auditDueAtMs) return;
    this.#auditDueAtMs = nowMs + this.options.ledgerAuditIntervalMs;
    const audit = await this.writer.auditNewest(logId, this.options.ledgerAuditPlans);
    const { plans, recordsMissing, repeatedRows } = audit;
    const where = `plans ${plans?.first} to ${plans?.last}`;
    const writer = { consumer: 'writer', lane: 'telemetry', partition: null, tenant: null } as const;
    this.#audited = [
      ...(recordsMissing === 0
        ? []
        : [{ ...writer, kind: 'rowsMissing', records: -recordsMissing, detail: missingText(where, recordsMissing) }]),
      ...(repeatedRows === 0
        ? []
        : [
            { ...writer, kind: 'rowsRepeated', records: repeatedRows, detail: `${where}: ${repeatedRows} rows repeat` },
          ]),
    ] as readonly Imbalance[];
  }

  #tell({ lanes }: LedgerReading): void {
    const { lasting } = this;
    for (const { lane, partition, consumers } of lanes) {
      for (const { consumer } of consumers) this.#gauge.set({ consumer, lane, partition: String(partition) }, 0);
    }
    this.#gauge.set({ consumer: 'writer', lane: 'telemetry', partition: 'all' }, 0);
    const told = new Set<string>();
    for (const { sinceMs, ...imbalance } of lasting) {
      const { consumer, lane, partition, records, detail, kind } = imbalance;
      this.#gauge.set({ consumer, lane, partition: String(partition ?? 'all') }, Math.abs(records));
      const name = `${kind} ${consumer} ${lane} ${partition}`;
      told.add(name);
      // Once per imbalance: its log line must not bury the others.
      if (!this.#told.has(name)) this.logger.error({ code: CODE, sinceMs, ...imbalance }, detail);
    }
    this.#told = told;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.check();
      } catch (error) {
        this.logger.warn({ err: error }, 'the ledger could not be checked; the next check tries again');
      }
      await this.clock.sleep(this.options.ledgerCheckIntervalMs, this.#stop.signal);
    }
  }
}

function missingText(where: string, recordsMissing: number): string {
  return recordsMissing > 0
    ? `${where}: ${recordsMissing} records have no rows`
    : `${where}: ${-recordsMissing} records more have rows than the plans say`;
}

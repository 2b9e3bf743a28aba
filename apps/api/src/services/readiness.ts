import { Inject, Injectable } from '@nestjs/common';
import type { TemporalHealth } from '@breakwater/adapter-temporal';
import type { Partition } from '@breakwater/twin';
import type { Readiness as ReadinessAnswer } from '@breakwater/observability';
import type { PartitionHolders, TwinStore, WriterLedger } from '@breakwater/twin-runtime';

import {
  API_OPTIONS,
  PARTITION_HOLDERS,
  TEMPORAL_HEALTH,
  TWIN_STORE,
  WRITER_LEDGER,
  type ApiOptions,
} from '../api-ports.ts';
import { problemFromError } from '../http/problem-from-error.ts';
import { ControlLag } from './control-lag.ts';
import { LedgerChecker } from './ledger-checker.ts';

const CHECK_TIMEOUT_MS = 2_000;
const CACHE_MS = 500;

class NotReady extends Error {}

type Degraded = ReadinessAnswer['degraded'][number];

/**
 * The first 200 means that an event gets through from end to end: the store answers, each shard has a worker that keeps
 * up, and what the telemetry writer stored can be read; the last is waited for only so long, since an API that starts
 * while ClickHouse is away has work to do. From then on only what stops every event makes it 503, and what stops a part
 * of them is named as degraded: an outage of ClickHouse, or one shard that moves, would otherwise take the whole API
 * out of its load balancer. No event needs Temporal, so it is named and never waited for.
 */
@Injectable()
export class Readiness {
  /** Whether an event ever got through from end to end in the life of this process. */
  #wasReady = false;
  readonly #startedAtMs = performance.now();
  #cached: { readonly untilMs: number; readonly answer: Promise<ReadinessAnswer> } | null = null;

  constructor(
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    @Inject(PARTITION_HOLDERS) private readonly holders: PartitionHolders,
    @Inject(WRITER_LEDGER) private readonly writer: WriterLedger,
    @Inject(TEMPORAL_HEALTH) private readonly temporal: TemporalHealth,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly lag: ControlLag,
    private readonly ledger: LedgerChecker,
  ) {}

  check(): Promise<ReadinessAnswer> {
    const nowMs = performance.now();
    if (this.#cached === null || this.#cached.untilMs <= nowMs) {
      this.#cached = { untilMs: nowMs + CACHE_MS, answer: this.#check() };
    }
    return this.#cached.answer;
  }

  async #check(): Promise<ReadinessAnswer> {
    let someShardIsOwned = false;
    const [store, shards, telemetry, temporal] = await Promise.all([
      this.#probe('redis', () => this.twins.ledger(0 as Partition)),
      this.#probe('twin-worker', () => this.#shardsKeepUp(() => (someShardIsOwned = true))),
      this.#probe('clickhouse', () => this.writer.readWriterLedger()),
      this.#probe('temporal', () => this.#temporalServes()),
    ]);
    const degraded = [store, shards, telemetry, temporal, this.#ledgerBalances()].filter((part) => part !== null);
    const telemetryIsDue = performance.now() - this.#startedAtMs < this.options.readyWaitsForTelemetryMs;
    this.#wasReady ||= store === null && shards === null && (telemetry === null || !telemetryIsDue);
    return { ready: this.#wasReady && store === null && someShardIsOwned, degraded };
  }

  async #shardsKeepUp(onSomeOwned: () => void): Promise<void> {
    const partitions = Array.from({ length: this.options.partitionCount }, (_, at) => at as Partition);
    const held = await this.holders.held(partitions);
    const unowned = held.filter((isHeld) => !isHeld).length;
    if (unowned < partitions.length) onSomeOwned();
    if (unowned > 0) throw new NotReady(`${unowned} of ${partitions.length} shards have no worker`);
    const lags = await Promise.all(partitions.map((partition) => this.lag.lagMs(partition)));
    const behind = lags.filter((lagMs) => lagMs > this.options.writeTimeoutMs).length;
    if (behind > 0) throw new NotReady(`${behind} of ${partitions.length} shards are behind`);
  }

  /** Strangers read this: how many, and not where. */
  #ledgerBalances(): Degraded | null {
    const count = this.ledger.lasting.length;
    return count === 0 ? null : { part: 'ledger', detail: `LEDGER_IMBALANCE: ${count} lines do not add up` };
  }

  async #temporalServes(): Promise<void> {
    const trouble = await this.temporal.trouble();
    if (trouble !== null) throw new NotReady(trouble);
  }

  async #probe(part: string, probe: () => Promise<unknown>): Promise<Degraded | null> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NotReady(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
    });
    try {
      await Promise.race([probe(), timeout]);
      return null;
    } catch (error) {
      // Strangers read this: of errors that are not our own they are told no more than any application is.
      return { part, detail: error instanceof NotReady ? error.message : problemFromError(error).message };
    } finally {
      clearTimeout(timer);
    }
  }
}

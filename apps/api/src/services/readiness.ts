import { Inject, Injectable } from '@nestjs/common';
import type { Partition } from '@breakwater/twin';
import type { Readiness as ReadinessAnswer } from '@breakwater/observability';
import type { PartitionLeases, TwinStore, WriterLedger } from '@breakwater/twin-runtime';

import { API_OPTIONS, PARTITION_LEASES, TWIN_STORE, WRITER_LEDGER, type ApiOptions } from '../api-ports.ts';
import { problemFromError } from '../http/problem-from-error.ts';
import { ControlLag } from './control-lag.ts';

const CHECK_TIMEOUT_MS = 2_000;
const CACHE_MS = 500;

class NotReady extends Error {}

type Degraded = ReadinessAnswer['degraded'][number];

/**
 * Ready means that an event gets through: the store answers, and each shard has a worker that keeps up. What only some
 * answers lean on is named as degraded and fails nothing, or an outage of ClickHouse would take the whole API out of
 * its load balancer.
 */
@Injectable()
export class Readiness {
  #cached: { readonly untilMs: number; readonly answer: Promise<ReadinessAnswer> } | null = null;

  constructor(
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    @Inject(PARTITION_LEASES) private readonly leases: PartitionLeases,
    @Inject(WRITER_LEDGER) private readonly writer: WriterLedger,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    private readonly lag: ControlLag,
  ) {}

  check(): Promise<ReadinessAnswer> {
    const nowMs = performance.now();
    if (this.#cached === null || this.#cached.untilMs <= nowMs) {
      this.#cached = { untilMs: nowMs + CACHE_MS, answer: this.#check() };
    }
    return this.#cached.answer;
  }

  async #check(): Promise<ReadinessAnswer> {
    const [store, shards, telemetry] = await Promise.all([
      this.#probe('redis', () => this.twins.ledger(0 as Partition)),
      this.#probe('twin-worker', () => this.#shardsKeepUp()),
      this.#probe('clickhouse', () => this.writer.readWriterLedger()),
    ]);
    const degraded = [store, shards, telemetry].filter((part) => part !== null);
    return { ready: store === null && shards === null, degraded };
  }

  async #shardsKeepUp(): Promise<void> {
    const partitions = Array.from({ length: this.options.partitionCount }, (_, at) => at as Partition);
    const held = await this.leases.held(partitions);
    const unowned = held.filter((isHeld) => !isHeld).length;
    if (unowned > 0) throw new NotReady(`${unowned} of ${partitions.length} shards have no worker`);
    const lags = await Promise.all(partitions.map((partition) => this.lag.lagMs(partition)));
    const behind = lags.filter((lagMs) => lagMs > this.options.writeTimeoutMs).length;
    if (behind > 0) throw new NotReady(`${behind} of ${partitions.length} shards are behind`);
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

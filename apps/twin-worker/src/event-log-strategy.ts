import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import {
  ControlProducer,
  HEARTBEATS_PER_LEASE,
  type RecordSource,
  type RegionObserver,
  SessionReaper,
  ShardRegion,
  type RegionStatus,
} from '@breakwater/twin-runtime';

import { createDecoder } from './decode-for-runtime.ts';
import { OutboxEffects } from './outbox-effects.ts';
import type { WorkerSettings } from './read-worker-settings.ts';
import { RecordInput } from './record-input.ts';
import { ShardEvent } from './shard-events.ts';
import { TelemetryHinter } from './telemetry-hinter.ts';
import type { WorkerPorts } from './worker-ports.ts';

export interface EventLogStrategyOptions {
  readonly settings: WorkerSettings;
  readonly ports: WorkerPorts;
}

/**
 * Nest's transport for the event log: to listen is to own shards. Records do not pass through Nest's handlers one by
 * one; a shard applies them in batches, and what happens to shards reaches the handlers as events.
 */
export class EventLogStrategy extends Server implements CustomTransportStrategy {
  readonly #region: ShardRegion;
  readonly #reaper: SessionReaper;
  readonly #end = new AbortController();
  readonly #hinter: TelemetryHinter;
  #working: readonly Promise<void>[] = [];

  constructor({ settings, ports }: EventLogStrategyOptions) {
    super();
    const memberId = `worker-${ports.random.id()}`;
    const { clock, random, store } = ports;
    const producer = new ControlProducer({ log: ports.log, clock, producerId: memberId });
    const producerOf = (source: RecordSource): ControlProducer =>
      new ControlProducer({ log: ports.log, clock, producerId: `${memberId}-${source}`, source });
    const input = new RecordInput(producer, clock);
    this.#hinter = new TelemetryHinter({
      hints: ports.hints,
      clock,
      onFailure: (error) => this.#tell(ShardEvent.failed, ['telemetry hints', error]),
    });
    const observer = this.#observer();
    this.#region = new ShardRegion({
      memberId,
      membership: ports.membershipOf(memberId),
      log: ports.log,
      store,
      effects: new OutboxEffects({
        ...ports,
        history: producerOf('commandHistory'),
        deadLetters: producerOf('deadLetter'),
      }),
      input,
      answers: ports.answers,
      decode: createDecoder(),
      clock,
      random,
      observer,
      limits: {
        heartbeatMs: Math.floor(settings.leaseTtlMs / HEARTBEATS_PER_LEASE),
        cacheBytesMax: settings.twinCacheBytes,
        recordsPerBatchMax: settings.batchRecordsMax,
        framesPerReadMax: settings.framesPerReadMax,
        readWaitMs: settings.readWaitMs,
        outboxRetryMs: settings.downlinkRetryMs,
      },
    });
    this.#reaper = new SessionReaper({
      directory: ports.directory,
      log: ports.log,
      store,
      input,
      partitions: () => this.#region.status.partitions,
      clock,
      observer,
    });
  }

  get regionStatus(): RegionStatus {
    return this.#region.status;
  }

  override listen(callback: () => void): void {
    this.#region.start();
    const { signal } = this.#end;
    this.#working = [this.#reaper.run(signal), this.#hinter.run(signal)];
    callback();
  }

  override async close(): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#working);
    await this.#region.stop();
  }

  override on(): never {
    throw new Error('what happens to shards is told to @EventPattern handlers');
  }

  override unwrap<Wrapped>(): Wrapped {
    return this.#region as Wrapped;
  }

  #observer(): RegionObserver {
    const tell =
      <Event extends keyof typeof ShardEvent>(pattern: Event) =>
      (...details: Parameters<RegionObserver[Event]>): void =>
        this.#tell(ShardEvent[pattern], details);
    return {
      shardStarted: tell('shardStarted'),
      shardEnded: tell('shardEnded'),
      committed: tell('committed'),
      redone: tell('redone'),
      telemetryChanged: (partition, keys) => this.#hinter.changed(partition, keys),
      deadLettered: tell('deadLettered'),
      answersGivenUp: tell('answersGivenUp'),
      deadLettersGivenUp: tell('deadLettersGivenUp'),
      failed: tell('failed'),
    };
  }

  #tell(pattern: string, details: readonly unknown[]): void {
    void this.getHandlerByPattern(pattern)?.(details);
  }
}

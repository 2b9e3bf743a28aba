import type { Logger } from '@breakwater/observability';
import type { RejectionCode } from '@breakwater/twin';
import type { RegionObserver } from '@breakwater/twin-runtime';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';

import { ShardEvent } from './shard-events.ts';
import type { WorkerMetrics } from './worker-metrics.ts';
import { WORKER_LOGGER, WORKER_METRICS } from './worker-ports.ts';

type Told<Event extends keyof RegionObserver> = Parameters<RegionObserver[Event]>;

/** The code of what a device says of a command that it was never given. */
const ANSWER_TO_NO_COMMAND: RejectionCode = 'COMMAND_NOT_FOUND';

/** Logs and counts what happens to this worker's shards. */
@Controller()
export class ShardEventsController {
  readonly #metrics: WorkerMetrics;
  readonly #logger: Logger;

  constructor(@Inject(WORKER_METRICS) metrics: WorkerMetrics, @Inject(WORKER_LOGGER) logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }

  @EventPattern(ShardEvent.shardStarted)
  started(@Payload() [partition, ownership]: Told<'shardStarted'>): void {
    const { epoch, positions, attempts } = ownership;
    this.#metrics.shardStarted(partition, epoch);
    this.#logger.info({ partition, epoch, positions, attempts }, 'shard started');
  }

  @EventPattern(ShardEvent.shardEnded)
  ended(@Payload() [partition, reason, error]: Told<'shardEnded'>): void {
    this.#metrics.shardEnded(partition, reason);
    if (reason === 'commitRefused') this.#metrics.commitRefused(String(error));
    if (reason === 'stopped')
      this.#logger.error({ partition, reason, err: error }, 'shard stopped: it waits for an operator');
    else this.#logger.info({ partition, reason, err: error ?? undefined }, 'shard ended here');
  }

  @EventPattern(ShardEvent.committed)
  committed(@Payload() [batch]: Told<'committed'>): void {
    this.#metrics.committed(batch);
  }

  @EventPattern(ShardEvent.redone)
  redone(@Payload() [, records]: Told<'redone'>): void {
    this.#metrics.redone(records);
  }

  @EventPattern(ShardEvent.deadLettered)
  deadLettered(@Payload() [partition, lane, code, error]: Told<'deadLettered'>): void {
    this.#metrics.deadLettered(code);
    // What devices do wrong is counted: one that answers to anything must not fill the log.
    if (code === ANSWER_TO_NO_COMMAND) return;
    this.#logger.warn(
      { partition, lane, code, err: error ?? undefined },
      'a record could not be applied and is kept as a dead letter',
    );
  }

  @EventPattern(ShardEvent.answersGivenUp)
  answersGivenUp(@Payload() [partition, count]: Told<'answersGivenUp'>): void {
    this.#metrics.answersGivenUp(count);
    this.#logger.warn({ partition, count }, 'a device does not take its answers: the oldest are not repeated');
  }

  @EventPattern(ShardEvent.deadLettersGivenUp)
  deadLettersGivenUp(@Payload() [partition, count]: Told<'deadLettersGivenUp'>): void {
    this.#metrics.deadLettersGivenUp(count);
    this.#logger.warn(
      { partition, count },
      'the history has no room, and a device has too many dead letters: the oldest are counted and not kept',
    );
  }

  @EventPattern(ShardEvent.failed)
  failed(@Payload() [place, error]: Told<'failed'>): void {
    this.#metrics.failed(place);
    this.#logger.warn({ place, err: error }, 'it failed and is tried again');
  }
}

import type { Metrics } from '@breakwater/observability';
import type { Epoch, Partition } from '@breakwater/twin';
import { LANES, type CommittedBatch } from '@breakwater/twin-runtime';

const SECONDS_BUCKETS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10,
  30, 60,
];
const MS_PER_SECOND = 1000;

/** What a worker counts and times. */
export class WorkerMetrics {
  readonly #records;
  readonly #recordsRedone;
  readonly #commits;
  readonly #batchRecords;
  readonly #deviceToTwin;
  readonly #logToTwin;
  readonly #shards;
  readonly #shardEpochs;
  readonly #owned = new Set<Partition>();
  readonly #shardEnds;
  readonly #commitsRefused;
  readonly #deadLetters;
  readonly #answersGivenUp;
  readonly #deadLettersGivenUp;
  readonly #failures;

  constructor(metrics: Metrics) {
    this.#records = metrics.counter('twin_records_total', 'Records by lane and outcome', ['lane', 'outcome']);
    this.#recordsRedone = metrics.counter(
      'twin_records_redone_total',
      'Records that were applied for nothing: their commit did not go through, and the next owner applies them again',
    );
    this.#commits = metrics.counter('twin_commits_total', 'Commits of shards');
    this.#batchRecords = metrics.histogram('twin_batch_records', 'Records of one commit', {
      buckets: [1, 4, 16, 64, 256, 1024, 4096],
    });
    this.#deviceToTwin = metrics.histogram(
      'device_to_twin_seconds',
      "From the device's time of a measurement to the commit of its twin; a sample of the records",
      { buckets: SECONDS_BUCKETS },
    );
    this.#logToTwin = metrics.histogram(
      'log_to_twin_seconds',
      'From the append of the oldest record of a batch to its commit',
      { buckets: SECONDS_BUCKETS },
    );
    this.#shards = metrics.gauge('twin_shards', 'Shards that this worker owns');
    this.#shardEpochs = metrics.gauge(
      'twin_shard_epoch',
      'Epoch of each shard that this worker runs: over all workers, each partition once',
      ['partition'],
    );
    this.#shardEnds = metrics.counter('twin_shard_ends_total', 'Shards that ended, by reason', ['reason']);
    this.#commitsRefused = metrics.counter(
      'twin_commits_refused_total',
      'Commits that the store refused, by code: STALE_EPOCH is a late write of an owner that is none any more',
      ['code'],
    );
    this.#deadLetters = metrics.counter('dead_letters_total', 'Records that could not be applied, by code', ['code']);
    this.#answersGivenUp = metrics.counter(
      'answers_given_up_total',
      'Answers to devices that were not taken and are not repeated',
    );
    this.#deadLettersGivenUp = metrics.counter(
      'dead_letters_given_up_total',
      'Dead letters whose bytes are not kept: the history had no room, and their twin had too many of them',
    );
    this.#failures = metrics.counter('worker_failures_total', 'Failures that were tried again, by place', ['place']);
  }

  committed(batch: CommittedBatch): void {
    const nowMs = batch.atMs;
    for (const lane of LANES) {
      for (const [outcome, count] of Object.entries(batch.counts[lane])) this.#records.inc({ lane, outcome }, count);
    }
    this.#commits.inc();
    this.#batchRecords.observe(batch.records);
    this.#logToTwin.observe(Math.max(nowMs - batch.oldestAppendedAtMs, 0) / MS_PER_SECOND);
    for (const sentAtMs of batch.sentAtMs) this.#deviceToTwin.observe(Math.max(nowMs - sentAtMs, 0) / MS_PER_SECOND);
  }

  redone(records: number): void {
    this.#recordsRedone.inc(records);
  }

  shardStarted(partition: Partition, epoch: Epoch): void {
    this.#owned.add(partition);
    this.#shards.set(this.#owned.size);
    this.#shardEpochs.set({ partition }, Number.parseInt(epoch, 10));
  }

  /** A partition may stop before its shard ever ran here. */
  shardEnded(partition: Partition, reason: string): void {
    this.#owned.delete(partition);
    this.#shards.set(this.#owned.size);
    this.#shardEpochs.remove({ partition });
    this.#shardEnds.inc({ reason });
  }

  commitRefused(code: string): void {
    this.#commitsRefused.inc({ code });
  }

  deadLettered(code: string): void {
    this.#deadLetters.inc({ code });
  }

  deadLettersGivenUp(count: number): void {
    this.#deadLettersGivenUp.inc(count);
  }

  answersGivenUp(count: number): void {
    this.#answersGivenUp.inc(count);
  }

  failed(place: string): void {
    this.#failures.inc({ place });
  }
}

/** Every bound and pace of a shard region. Nothing in the runtime grows, waits or repeats without one of these. */
export interface RuntimeLimits {
  /** Records that one batch applies, over all shards. Bounds how long the event loop is held, so control's delay. */
  readonly recordsPerBatchMax: number;
  /** Bytes of record lines that one batch applies, over all shards. */
  readonly bytesPerBatchMax: number;
  /** Telemetry records that one shard may always take of a batch, however many shards want to. */
  readonly recordsPerShardMin: number;
  /** Twins that one shard's commit may write. */
  readonly twinsPerCommitMax: number;
  /** About how many bytes of states and outbox one shard's commit may carry; at least one record always goes. */
  readonly bytesPerCommitMax: number;
  /** Frames that one read may bring per lane and partition. */
  readonly framesPerReadMax: number;
  /** About how many bytes of frames one read may bring, over all shards. */
  readonly bytesPerReadMax: number;
  /** How long a read waits when there is nothing. Also bounds how long a new shard waits for its first read. */
  readonly readWaitMs: number;
  /** How long a batch below `lingerBelowRecords` lets more records gather before the next. */
  readonly lingerMs: number;
  readonly lingerBelowRecords: number;
  /** Bytes of twins in memory, over all shards. Twins of uncommitted batches may exceed it for a moment. */
  readonly cacheBytesMax: number;
  /** Outbox entries of a shard over which it applies nothing more until some are confirmed. */
  readonly outboxPerShardMax: number;
  /** The same in bytes of downlinks and changes: an answer can be as large as a twin. */
  readonly outboxBytesPerShardMax: number;
  /**
   * Changes of commands and dead letters that wait for the history, over which a shard applies no more of the control
   * lane. They do not count among the others: a history that is away for long must not stop control before this.
   */
  readonly outboxHistoryPerShardMax: number;
  /** Dead letters of one twin that wait for the history, over which the oldest are given up, and counted. */
  readonly deadLettersPerTwinMax: number;
  /** Unconfirmed downlinks of one twin over which its oldest answers are given up instead of repeated. */
  readonly downlinksPerTwinMax: number;
  /** Outbox entries that one dispatch carries. */
  readonly outboxPerDispatchMax: number;
  /** How long an unconfirmed outbox entry rests before it is dispatched again; doubles up to the maximum. */
  readonly outboxRetryMs: number;
  readonly outboxRetryMaxMs: number;
  /** How often a member that has its share renews its claims. */
  readonly heartbeatMs: number;
  /** How soon a member asks again for a partition that it should have and another still holds. */
  readonly acquireRetryMs: number;
  /** How long a hand-off waits for the batch in flight before it gives the shard up as it is. */
  readonly drainMaxMs: number;
  /** How often a member looks whether the store answers, where its group wants to know. */
  readonly storeLookMs: number;
  /** Looks in a row without an answer after which a member takes nothing on, and then others may have its shards. */
  readonly storeDoubtfulLooks: number;
  readonly storeAwayLooks: number;
  /** How long a shard rests that lost its ownership or a commit; doubles up to the maximum. */
  readonly retakeMs: number;
  readonly retakeMaxMs: number;
  /** How long the loop rests after the log or the store failed; doubles up to the maximum. */
  readonly failureRestMs: number;
  readonly failureRestMaxMs: number;
  readonly timerPollMs: number;
  /** Due timers that one poll of a shard appends, and those that may be on their way through the log. */
  readonly timersPerPollMax: number;
  /** From this many starts at the same positions on, a shard takes small batches until one is committed. */
  readonly carefulAttempts: number;
  /** From this many starts at the same positions on, a shard goes one record at a time. */
  readonly singleStepAttempts: number;
  /** Size of such a small batch, and number of records that are then taken one at a time. */
  readonly suspectRecords: number;
  /** Attempts of one record, taken alone, after which it is dead-lettered without being applied. */
  readonly recordAttemptsMax: number;
  /** Keys of telemetry-only changes that one commit tells live views of. */
  readonly telemetryKeysPerCommitMax: number;
  /** Tenants that the ledger of one partition counts by name; the others stand together. */
  readonly ledgerTenantsMax: number;
}

export const DEFAULT_RUNTIME_LIMITS: RuntimeLimits = {
  recordsPerBatchMax: 2_000,
  bytesPerBatchMax: 4 * 1024 * 1024,
  recordsPerShardMin: 64,
  twinsPerCommitMax: 1_000,
  bytesPerCommitMax: 2 * 1024 * 1024,
  framesPerReadMax: 64,
  bytesPerReadMax: 16 * 1024 * 1024,
  readWaitMs: 100,
  lingerMs: 3,
  lingerBelowRecords: 256,
  cacheBytesMax: 128 * 1024 * 1024,
  outboxPerShardMax: 2_000,
  outboxBytesPerShardMax: 4 * 1024 * 1024,
  outboxHistoryPerShardMax: 2_000,
  deadLettersPerTwinMax: 100,
  downlinksPerTwinMax: 64,
  outboxPerDispatchMax: 256,
  outboxRetryMs: 1_000,
  outboxRetryMaxMs: 30_000,
  heartbeatMs: 1_000,
  acquireRetryMs: 200,
  drainMaxMs: 3_000,
  storeLookMs: 500,
  storeDoubtfulLooks: 3,
  storeAwayLooks: 6,
  retakeMs: 100,
  retakeMaxMs: 5_000,
  failureRestMs: 50,
  failureRestMaxMs: 2_000,
  timerPollMs: 1_000,
  timersPerPollMax: 256,
  carefulAttempts: 2,
  singleStepAttempts: 3,
  suspectRecords: 64,
  recordAttemptsMax: 3,
  telemetryKeysPerCommitMax: 1_000,
  ledgerTenantsMax: 256,
};

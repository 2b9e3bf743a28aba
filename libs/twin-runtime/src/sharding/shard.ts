import type { LogId, Partition } from '@breakwater/twin';

import { LANES, type Lane } from '../ports/event-log.ts';
import type { LanePositions, OutboxEntry, Ownership } from '../ports/twin-store.ts';
import { Mailbox } from './mailbox.ts';
import { OutboxPump } from './outbox-pump.ts';
import { TenantNames } from './outcome-tally.ts';
import type { RegionParts } from './region-parts.ts';
import type { TwinHome } from './twin-cache.ts';

const TELEMETRY_ONLY: readonly Lane[] = ['telemetry'];

export interface ShardOptions {
  readonly partition: Partition;
  readonly ownership: Ownership;
  readonly logId: LogId;
  readonly outbox: readonly OutboxEntry[];
  readonly parts: RegionParts;
  /** Something in its last batch could not be committed: it goes one record at a time until that is found. */
  readonly suspect: boolean;
}

/**
 * The twins of one partition during one epoch. A shard never recovers: when anything about its ownership or a commit
 * is in doubt it ends, memory and all, and another one starts from what the store holds.
 *
 *     takeOwnership ──▶ running ──▶ draining ──▶ ended (handed off)
 *                          └──────────────────▶ ended (anything in doubt)
 */
export class Shard {
  readonly partition: Partition;
  readonly ownership: Ownership;
  readonly logId: LogId;
  readonly mailboxes: Readonly<Record<Lane, Mailbox>>;
  readonly twins: TwinHome = new Map();
  readonly outbox: OutboxPump;
  readonly tenantNames: TenantNames;
  /** Timers that are on their way through the log. */
  readonly firing = new Set<string>();
  /** Batches that are computed and not yet settled. */
  uncommitted = 0;
  /** How many records are still to be taken one at a time. */
  suspectRecordsLeft: number;
  draining = false;
  /** What the store has confirmed. */
  committed: LanePositions;
  #ended = false;
  #smallBatches: boolean;

  constructor({ partition, ownership, logId, outbox, parts, suspect }: ShardOptions) {
    const { limits } = parts;
    this.partition = partition;
    this.ownership = ownership;
    this.logId = logId;
    this.mailboxes = {
      control: new Mailbox('control', ownership.positions.control, parts.decode),
      telemetry: new Mailbox('telemetry', ownership.positions.telemetry, parts.decode),
    };
    this.outbox = new OutboxPump({ partition, epoch: ownership.epoch, parts, found: outbox });
    this.committed = ownership.positions;
    this.tenantNames = new TenantNames(ownership.tenants, limits.ledgerTenantsMax);
    this.#smallBatches = ownership.attempts >= limits.carefulAttempts;
    this.suspectRecordsLeft = suspect || ownership.attempts >= limits.singleStepAttempts ? limits.suspectRecords : 0;
  }

  get isAlive(): boolean {
    return !this.#ended;
  }

  /** May read and apply. */
  get isRunning(): boolean {
    return !this.#ended && !this.draining;
  }

  /** What may be applied now. */
  get lanes(): readonly Lane[] {
    return this.outbox.isHistoryFull ? TELEMETRY_ONLY : LANES;
  }

  /** Something waits that may be applied. */
  get hasMail(): boolean {
    return this.lanes.some((lane) => !this.mailboxes[lane].isEmpty);
  }

  /** The next offsets to be applied; ahead of the store by what is uncommitted. */
  get positions(): LanePositions {
    return { control: this.mailboxes.control.position, telemetry: this.mailboxes.telemetry.position };
  }

  /** Takes small batches: the one that starts at these positions has failed before. */
  get isCareful(): boolean {
    return this.#smallBatches;
  }

  noteCommitted(positions: LanePositions): void {
    this.committed = positions;
    this.#smallBatches = false;
  }

  end(): void {
    this.#ended = true;
    this.outbox.stop();
  }
}

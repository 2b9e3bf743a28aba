import type { DeviceKey, Epoch, Partition } from '@breakwater/twin';
import { type Lane, LANES } from '@breakwater/twin-runtime';

/** How often a twin was written, and what of it may only grow. */
export interface TwinVersions {
  readonly incarnation: number;
  readonly version: number;
  readonly reportedVersion: number;
  readonly changeNumber: number;
}

export interface TwinWritten {
  readonly key: DeviceKey;
  /** After the write; null when the twin was removed. */
  readonly revision: number | null;
  /** Null where the text of the state was not looked at. */
  readonly versions: TwinVersions | null;
}

/** What happened at log and store, in the order in which they did it. */
export type StoreOperation =
  | {
      readonly kind: 'appended';
      readonly partition: Partition;
      readonly lane: Lane;
      readonly firstOffset: number;
      readonly records: number;
      readonly producerId: string;
      readonly seq: number;
    }
  | { readonly kind: 'owned'; readonly partition: Partition; readonly epoch: Epoch }
  | {
      readonly kind: 'committed';
      readonly partition: Partition;
      /** Of the writer, as it said. */
      readonly epoch: Epoch;
      readonly from: Readonly<Record<Lane, number>>;
      readonly to: Readonly<Record<Lane, number>>;
      /** Outcomes that the ledger got with it. */
      readonly outcomes: Readonly<Record<Lane, number>>;
      readonly twins: readonly TwinWritten[];
    }
  | { readonly kind: 'trimmed'; readonly partition: Partition; readonly lane: Lane; readonly first: number };

interface KnownTwin {
  revision: number;
  versions: TwinVersions | null;
}

interface KnownPartition {
  epoch: Epoch | null;
  epochNumber: number;
  readonly ends: Record<Lane, number>;
  readonly positions: Record<Lane, number>;
  readonly twins: Map<DeviceKey, KnownTwin>;
  readonly producers: Map<string, number>;
}

/** Enough to see what is wrong; the rest follows from it. */
const VIOLATIONS_KEPT_MAX = 50;

/**
 * The checker of histories: one writer at a time, and everything exactly once. It is told what log and store did, by
 * whatever has recorded that, and keeps of it only what the next operation needs. A million operations take seconds.
 *
 * It finds, where it happens: a frame that was appended twice, or a gap in the offsets; a commit of an epoch that is
 * not the newest, or an epoch that does not grow; a commit that does not start where the last one ended (a record
 * applied twice, or skipped), or that takes what was never appended; outcomes that are not one per record; a twin
 * written from another state than its last one; a version that goes back; records forgotten before the twins have them.
 */
export class StoreHistory {
  readonly #partitions = new Map<Partition, KnownPartition>();
  readonly #violations: string[] = [];
  readonly #seesAppends: boolean;
  #violationCount = 0;
  #operations = 0;

  /** `seesAppends` is false where the log is elsewhere, so that only its consumers are recorded. */
  constructor({ seesAppends = true }: { readonly seesAppends?: boolean } = {}) {
    this.#seesAppends = seesAppends;
  }

  /** Appended records, and writes of twins. */
  get operations(): number {
    return this.#operations;
  }

  get violationCount(): number {
    return this.#violationCount;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  record(operation: StoreOperation): void {
    const known = this.#of(operation.partition);
    if (operation.kind === 'appended') this.#appended(known, operation);
    else if (operation.kind === 'owned') this.#owned(known, operation);
    else if (operation.kind === 'committed') this.#committed(known, operation);
    else this.#trimmed(known, operation);
  }

  /** Records that were appended and that no commit has taken. */
  inFlight(): number {
    let sum = 0;
    for (const { ends, positions } of this.#partitions.values()) {
      for (const lane of LANES) sum += ends[lane] - positions[lane];
    }
    return sum;
  }

  #appended(known: KnownPartition, operation: StoreOperation & { kind: 'appended' }): void {
    const { lane, firstOffset, records, producerId, seq } = operation;
    this.#operations += records;
    if (firstOffset !== known.ends[lane]) {
      this.#fail(operation, `${lane} ends at ${known.ends[lane]}, and a frame was appended at ${firstOffset}`);
    }
    known.ends[lane] = firstOffset + records;
    const producer = `${lane} ${producerId}`;
    const last = known.producers.get(producer) ?? 0;
    if (seq !== last + 1) this.#fail(operation, `append ${seq} of ${producerId} to ${lane} came after its ${last}`);
    known.producers.set(producer, seq);
  }

  #owned(known: KnownPartition, operation: StoreOperation & { kind: 'owned' }): void {
    const number = Number(/^\d+/.exec(operation.epoch)?.[0]);
    if (!(number > known.epochNumber)) {
      this.#fail(operation, `epoch ${operation.epoch} was given out after ${String(known.epoch)}`);
    }
    known.epoch = operation.epoch;
    known.epochNumber = number;
  }

  #committed(known: KnownPartition, operation: StoreOperation & { kind: 'committed' }): void {
    const { epoch, from, to, outcomes } = operation;
    if (epoch !== known.epoch) this.#fail(operation, `epoch ${epoch} wrote in epoch ${String(known.epoch)}`);
    for (const lane of LANES) {
      if (from[lane] < known.positions[lane]) {
        this.#fail(operation, `${lane} stood at ${known.positions[lane]}, and ${from[lane]} was applied once more`);
      } else if (from[lane] > known.positions[lane]) {
        this.#fail(operation, `${lane} stood at ${known.positions[lane]}, and ${from[lane]} came next`);
      }
      if (to[lane] < from[lane]) this.#fail(operation, `${lane} went back from ${from[lane]} to ${to[lane]}`);
      if (this.#seesAppends && to[lane] > known.ends[lane]) {
        this.#fail(operation, `${lane} was applied up to ${to[lane]}, and ends at ${known.ends[lane]}`);
      }
      if (outcomes[lane] !== to[lane] - from[lane]) {
        this.#fail(operation, `${to[lane] - from[lane]} records of ${lane} have ${outcomes[lane]} outcomes`);
      }
      known.positions[lane] = to[lane];
    }
    for (const twin of operation.twins) this.#written(known, operation, twin);
  }

  #written(known: KnownPartition, operation: StoreOperation, { key, revision, versions }: TwinWritten): void {
    this.#operations += 1;
    const before = known.twins.get(key);
    if (revision === null) {
      known.twins.delete(key);
      return;
    }
    if (revision !== (before?.revision ?? 0) + 1) {
      this.#fail(operation, `${key} had revision ${before?.revision ?? 0}, and was written as ${revision}`);
    }
    if (before?.versions && versions && goesBack(before.versions, versions)) {
      this.#fail(operation, `${key} went back from ${JSON.stringify(before.versions)} to ${JSON.stringify(versions)}`);
    }
    known.twins.set(key, { revision, versions: versions ?? before?.versions ?? null });
  }

  #trimmed(known: KnownPartition, operation: StoreOperation & { kind: 'trimmed' }): void {
    const { lane, first } = operation;
    if (first <= known.positions[lane]) return;
    this.#fail(operation, `${lane} was trimmed up to ${first}, and its twins stand at ${known.positions[lane]}`);
  }

  #of(partition: Partition): KnownPartition {
    let known = this.#partitions.get(partition);
    if (known === undefined) {
      known = {
        epoch: null,
        epochNumber: 0,
        ends: { control: 0, telemetry: 0 },
        positions: { control: 0, telemetry: 0 },
        twins: new Map(),
        producers: new Map(),
      };
      this.#partitions.set(partition, known);
    }
    return known;
  }

  #fail({ partition }: StoreOperation, sentence: string): void {
    this.#violationCount += 1;
    if (this.#violations.length < VIOLATIONS_KEPT_MAX) this.#violations.push(`partition ${partition}: ${sentence}`);
  }
}

function goesBack(before: TwinVersions, after: TwinVersions): boolean {
  if (after.incarnation !== before.incarnation) return after.incarnation < before.incarnation;
  return (
    after.version < before.version ||
    after.reportedVersion < before.reportedVersion ||
    after.changeNumber < before.changeNumber
  );
}

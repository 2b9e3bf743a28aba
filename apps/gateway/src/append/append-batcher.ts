import { assert, type Partition } from '@breakwater/twin';
import { type AppendResult, type Clock, type EventLog, type Lane, LANES } from '@breakwater/twin-runtime';

import { type AppendOutcome, type AppendWaiter, type Frame, LaneQueue } from './lane-queue.ts';
import type { QueueShare } from './waiting-records.ts';

export interface AppendTarget {
  readonly lane: Lane;
  readonly partition: Partition;
  /** Whose record it is; without one it counts as the gateway's own. */
  readonly share?: QueueShare;
}

export interface AppendLimits {
  /** How long the first record of a flush waits for company. */
  readonly flushMs: number;
  readonly flightsMax: number;
  readonly frameRecordsMax: number;
  readonly frameBytesMax: number;
  /** From so many records on the devices are to be read in larger pieces, see `onBehind`. */
  readonly gatherRecords: number;
  /** From here on the devices are to send less, see `onPressure`. */
  readonly pressureBytes: number;
  /** Above one of these nothing more is taken: the connection is closed, unacknowledged. */
  readonly queueRecordsMax: number;
  readonly queueBytesMax: number;
  /** Above this what may be shed (QoS 0) is shed. */
  readonly shedBytes: number;
  /** How long the log may leave a frame unanswered. A log that answers that it is full is waited for without limit. */
  readonly withholdMs: number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
}

export interface AppendBatcherOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly limits: AppendLimits;
  /** The producer id is used up: it must be fenced before `restart` gives the next one. */
  readonly onProducerLost: (detail: string) => void;
  /** While it answers false nothing new is sent to the log, and waits. */
  readonly mayAppend?: () => boolean;
  /** The bytes that wait came above `pressureBytes`, or went well below it. */
  readonly onPressure?: () => void;
  /** More records wait than `gatherRecords`, of a log that takes them; or no longer. Looked at with each flush. */
  readonly onBehind?: (isBehind: boolean) => void;
  readonly onFlight?: (durationMs: number) => void;
  readonly onRetry?: (reason: string) => void;
}

/** How an attempt came back; null for one without an answer. */
interface Landing {
  readonly result: AppendResult | null;
  readonly startedAtMs: number;
}

/** Pressure ends at this share of `pressureBytes`, or it would begin and end with every flight. */
const PRESSURE_ENDS_AT = 0.75;
/**
 * The last part of the queue, in which a tenant may have no more than an equal part of the whole. So whoever fills the
 * queue alone leaves some of it to those who send little.
 */
const RESERVED_SHARE = 1 / 8;
const NO_PRODUCER: AppendOutcome = { kind: 'failed', detail: 'the gateway has no producer now' };
const QUEUE_FULL: AppendOutcome = { kind: 'failed', detail: 'the gateway waits for the log and its queue is full' };

/** A record that is of no use without an acknowledgement is never shed. */
export type AppendClass = 'keep' | 'mayBeShed';

export interface AppendOrder {
  /** As text, or in UTF-8; it is copied. */
  readonly line: string | Uint8Array;
  readonly appendClass: AppendClass;
  readonly waiter: AppendWaiter;
}

/**
 * Makes records durable, those of all devices together, and says of each when it is.
 *
 * No record is ever in the log twice and none is called durable that is not: a frame whose outcome is unknown is sent
 * again under its own number until the log answers. When that takes too long the producer id itself is given up, since
 * the number can be used neither for the same records nor for others; the records end as `failed`.
 *
 * A full lane is no such trouble: its records wait until its consumers have made room. What waits is bounded, per
 * connection by the receive maximum and altogether by the bytes of this queue; to fail them would disconnect their
 * devices, which would come back with the same messages, and a storm of reconnects on top.
 *
 * Tenants share the queue: in a frame (see `WaitingRecords`), in what is shed first, and in its last part.
 */
export class AppendBatcher {
  readonly #options: AppendBatcherOptions;
  readonly #limits: AppendLimits;
  readonly #queues: readonly LaneQueue[];
  /** Queues that have something to send, and no frame in the air. */
  readonly #ready = new Set<LaneQueue>();
  /** Counts producers, so that answers to an older one's frames are recognised. */
  #generation = 0;
  #producerId: string | null = null;
  readonly #ownShare: QueueShare = { queuedBytes: 0 };
  /** A record costs memory beside its bytes: this many together with them, at least. */
  readonly #recordBytesMin: number;
  /** When nothing that may be shed is to be kept. */
  shedsAll = false;
  #records = 0;
  #bytes = 0;
  /** The bytes that wait, none of the records counted with less than `#recordBytesMin`. */
  #load = 0;
  #activeShares = 0;
  #isPressed = false;
  #isBehind = false;
  #flights = 0;
  #timerArmed = false;
  #toTell: { readonly waiter: AppendWaiter; readonly outcome: AppendOutcome }[] = [];
  #idleWaiters: (() => void)[] = [];

  constructor(options: AppendBatcherOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#recordBytesMin = Math.ceil(options.limits.queueBytesMax / options.limits.queueRecordsMax);
    this.#queues = LANES.flatMap((lane) =>
      Array.from({ length: options.partitionCount }, (_, partition) => new LaneQueue(lane, partition as Partition)),
    );
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What the limits in bytes are compared with. At `queueRecordsMax` records it is at `queueBytesMax` too. */
  get load(): number {
    return this.#load;
  }

  get flights(): number {
    return this.#flights;
  }

  get isPressed(): boolean {
    return this.#isPressed;
  }

  /** Some frame was refused or not answered, and waits to be sent again. */
  get isWithheld(): boolean {
    return this.#queues.some(({ frame }) => frame !== null && frame.retryAtMs > 0);
  }

  /** Takes a producer id that nobody has used, after the one before was fenced. */
  restart(producerId: string): void {
    assert(this.#producerId === null, 'a producer is only replaced after it was given up');
    this.#generation += 1;
    this.#producerId = producerId;
  }

  /** Settles when the record is durable, or is known not to be. Records of one lane and partition keep their order. */
  append(target: AppendTarget, line: string, appendClass: AppendClass): Promise<AppendOutcome> {
    return new Promise((settle) => {
      const refused = this.enqueue(target, { line, appendClass, waiter: { appended: settle } });
      if (refused !== null) settle(refused);
    });
  }

  /**
   * As `append`, and at tens of thousands a second without a promise for each: the waiter is told later, or never when
   * the answer is here already because the record was not taken.
   */
  enqueue(target: AppendTarget, { line, appendClass, waiter }: AppendOrder): AppendOutcome | null {
    if (this.#producerId === null) return NO_PRODUCER;
    const bytes = typeof line === 'string' ? Buffer.byteLength(line) : line.length;
    const { share = this.#ownShare } = target;
    if (appendClass === 'mayBeShed' && this.#sheds(share, bytes)) {
      return { kind: 'shed', reason: this.shedsAll ? 'memory' : 'queue' };
    }
    if (this.#isFullFor(share, bytes)) return QUEUE_FULL;
    const queue = this.#queueOf(target.lane, target.partition);
    this.#count(share, bytes);
    queue.push({ line, bytes, share, waiter });
    if (queue.frame === null) this.#ready.add(queue);
    this.#arm(this.#limits.flushMs);
    return null;
  }

  /** Gives the producer up: everything that waits fails, and nothing is taken until `restart`. */
  giveUpProducer(detail: string): void {
    if (this.#producerId === null) return;
    this.#producerId = null;
    this.#generation += 1;
    this.#ready.clear();
    for (const queue of this.#queues) {
      const { sent, unsent } = queue.reset();
      for (const record of sent) this.#settle(record, { kind: 'failed', detail, mayBeLogged: true });
      for (const record of unsent) this.#settle(record, { kind: 'failed', detail });
    }
    this.#wakeIdle();
  }

  /** Settles when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#records > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Of those who wait, the ones with more than an equal part shed first: the others are not why it is full. */
  #sheds(share: QueueShare, bytes: number): boolean {
    if (this.shedsAll) return true;
    const { shedBytes } = this.#limits;
    const weight = Math.max(bytes, this.#recordBytesMin);
    if (this.#load + weight <= shedBytes) return false;
    return share.queuedBytes + weight > shedBytes / this.#sharesWith(share);
  }

  #isFullFor(share: QueueShare, bytes: number): boolean {
    const { queueBytesMax } = this.#limits;
    const weight = Math.max(bytes, this.#recordBytesMin);
    const load = this.#load + weight;
    if (load <= queueBytesMax * (1 - RESERVED_SHARE)) return false;
    return load > queueBytesMax || share.queuedBytes + weight > queueBytesMax / this.#sharesWith(share);
  }

  /** Those who have something here, with this one. */
  #sharesWith(share: QueueShare): number {
    return share.queuedBytes > 0 ? this.#activeShares : this.#activeShares + 1;
  }

  #count(share: QueueShare, bytes: number): void {
    const weight = Math.max(bytes, this.#recordBytesMin);
    this.#records += 1;
    this.#bytes += bytes;
    if (share.queuedBytes === 0) this.#activeShares += 1;
    share.queuedBytes += weight;
    this.#load += weight;
    if (!this.#isPressed && this.#load > this.#limits.pressureBytes) this.#press(true);
  }

  #press(isPressed: boolean): void {
    this.#isPressed = isPressed;
    this.#options.onPressure?.();
  }

  #queueOf(lane: Lane, partition: Partition): LaneQueue {
    const queue = this.#queues[LANES.indexOf(lane) * this.#options.partitionCount + partition];
    assert(queue !== undefined, 'a partition number is below the partition count');
    return queue;
  }

  #arm(delayMs: number): void {
    if (this.#timerArmed) return;
    this.#timerArmed = true;
    void this.#options.clock.sleep(delayMs).then(() => {
      this.#timerArmed = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#lookBehind();
    if (this.#producerId === null || this.#flights >= this.#limits.flightsMax) return;
    if (this.#options.mayAppend?.() === false) return this.#arm(this.#limits.retryMsMin);
    const nowMs = this.#options.clock.nowMs();
    const { frameRecordsMax: recordsMax, frameBytesMax: bytesMax } = this.#limits;
    const due: { readonly queue: LaneQueue; readonly frame: Frame }[] = [];
    for (const queue of this.#ready) {
      const frame = queue.frameDue(this.#producerId, { recordsMax, bytesMax }, nowMs);
      if (frame === null) continue;
      queue.flying = true;
      frame.attempts += 1;
      this.#ready.delete(queue);
      due.push({ queue, frame });
    }
    if (due.length > 0) void this.#fly(due, nowMs);
    // What is left waits for the time of its next attempt.
    if (this.#ready.size > 0) this.#arm(this.#limits.retryMsMin);
  }

  /** Records that a full or silent log leaves waiting are no reason to hear less of their devices. */
  #lookBehind(): void {
    const { gatherRecords } = this.#limits;
    const isBehind = this.#records > (this.#isBehind ? gatherRecords / 2 : gatherRecords) && !this.isWithheld;
    if (isBehind === this.#isBehind) return;
    this.#isBehind = isBehind;
    this.#options.onBehind?.(isBehind);
  }

  async #fly(due: readonly { readonly queue: LaneQueue; readonly frame: Frame }[], startedAtMs: number): Promise<void> {
    const generation = this.#generation;
    this.#flights += 1;
    let results: readonly AppendResult[] | null = null;
    try {
      results = await this.#options.log.append(due.map(({ frame }) => frame.request));
    } catch (error) {
      this.#options.onRetry?.(error instanceof Error ? error.message : String(error));
    }
    this.#flights -= 1;
    this.#options.onFlight?.(this.#options.clock.nowMs() - startedAtMs);
    for (const [index, { queue, frame }] of due.entries()) {
      // A frame can give the producer up, and with it all the others of the flight.
      if (generation !== this.#generation) break;
      queue.flying = false;
      this.#land(queue, frame, { result: results?.[index] ?? null, startedAtMs });
    }
    this.#flush();
  }

  #land(queue: LaneQueue, frame: Frame, { result, startedAtMs }: Landing): void {
    if (result?.kind === 'appended') {
      queue.confirm();
      const outcome = { kind: 'durable', appendedAtMs: result.appendedAtMs } as const;
      for (const record of frame.records) this.#settle(record, outcome);
      if (queue.length > 0) this.#ready.add(queue);
      this.#wakeIdle();
      return;
    }
    const nowMs = this.#options.clock.nowMs();
    if (result === null || result.kind === 'unknown') {
      if (result !== null) this.#options.onRetry?.(result.error.message);
      frame.unansweredSinceMs ??= startedAtMs;
      frame.outcomeUnknown = true;
      if (nowMs - frame.unansweredSinceMs >= this.#limits.withholdMs)
        return this.#loseProducer('the log did not answer in time');
    } else {
      frame.unansweredSinceMs = null;
      if (result.code === 'FRAME_TOO_LARGE') return this.#refuseFrame(queue, frame);
      if (result.code !== 'LANE_FULL') return this.#loseProducer(`the log refused the producer: ${result.code}`);
      this.#options.onRetry?.(result.code);
    }
    frame.retryAtMs = nowMs + this.#retryMs(frame.attempts);
    this.#ready.add(queue);
  }

  #retryMs(attempts: number): number {
    return Math.min(this.#limits.retryMsMax, this.#limits.retryMsMin * 2 ** Math.min(attempts - 1, 16));
  }

  #refuseFrame(queue: LaneQueue, frame: Frame): void {
    const detail = 'the record is too large for the log';
    if (frame.outcomeUnknown) return this.#loseProducer(detail);
    for (const record of queue.drop()) this.#settle(record, { kind: 'failed', detail });
    this.#wakeIdle();
  }

  #loseProducer(detail: string): void {
    this.giveUpProducer(detail);
    this.#options.onProducerLost(detail);
  }

  #settle(record: Frame['records'][number], outcome: AppendOutcome): void {
    this.#records -= 1;
    this.#bytes -= record.bytes;
    const weight = Math.max(record.bytes, this.#recordBytesMin);
    record.share.queuedBytes -= weight;
    if (record.share.queuedBytes === 0) this.#activeShares -= 1;
    this.#load -= weight;
    if (this.#isPressed && this.#load < this.#limits.pressureBytes * PRESSURE_ENDS_AT) this.#press(false);
    if (this.#toTell.length === 0) queueMicrotask(() => this.#tell());
    this.#toTell.push({ waiter: record.waiter, outcome });
  }

  /**
   * After the flight has landed and what waited meanwhile is on its way: who hears that his messages are durable may
   * have the next ones ready, and those are to wait for company instead of keeping the log busy one by one.
   */
  #tell(): void {
    const toTell = this.#toTell;
    this.#toTell = [];
    for (const { waiter, outcome } of toTell) waiter.appended(outcome);
  }

  #wakeIdle(): void {
    if (this.#records > 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }
}

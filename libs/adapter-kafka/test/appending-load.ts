import type { DeviceId, DeviceKey, Offset, Partition, TenantId } from '@breakwater/twin';
import { deviceKey } from '@breakwater/twin';
import type { AppendRequest, LogFrame } from '@breakwater/twin-runtime';
import { partitionOf, peekSender } from '@breakwater/wire';

import type { KafkaEventLog } from '../src/index.ts';

export interface AppendingLoadOptions {
  readonly log: KafkaEventLog;
  readonly partitionCount: number;
  readonly recordsPerSecond: number;
  readonly devices: number;
}

interface Queue {
  readonly partition: Partition;
  readonly lines: string[];
  seq: number;
  isRunning: boolean;
}

interface Acknowledged {
  readonly id: string;
  readonly partition: Partition;
  readonly offset: number;
  readonly atMs: number;
}

const TENANT = 'load' as TenantId;
const TICK_MS = 20;
const FRAME_RECORDS_MAX = 512;
const REPEAT_MS = 50;

/**
 * Appends as a gateway does: one frame per partition on its way, sent again under its own number until its outcome is
 * known. It notes what was acknowledged, where and when, and compares that with the topic record by record.
 */
export class AppendingLoad {
  readonly #options: AppendingLoadOptions;
  readonly #queues: readonly Queue[];
  readonly #keys: readonly { readonly key: DeviceKey; readonly device: DeviceId; readonly partition: Partition }[];
  readonly acknowledged: Acknowledged[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #made = 0;
  #timer: NodeJS.Timeout | null = null;
  #startedAtMs = 0;
  #refusal: string | null = null;

  constructor(options: AppendingLoadOptions) {
    this.#options = options;
    this.#queues = Array.from({ length: options.partitionCount }, (_, partition) => ({
      partition: partition as Partition,
      lines: [],
      seq: 0,
      isRunning: false,
    }));
    this.#keys = Array.from({ length: options.devices }, (_, number) => {
      const device = `device-${number}` as DeviceId;
      const key = deviceKey(TENANT, device);
      return { key, device, partition: partitionOf(key, options.partitionCount) };
    });
  }

  get made(): number {
    return this.#made;
  }

  start(): void {
    this.#startedAtMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Settles when everything that was made is acknowledged. */
  async finish(): Promise<void> {
    clearInterval(this.#timer!);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  acknowledgedBetween(fromMs: number, toMs: number): number {
    return this.acknowledged.filter(({ atMs }) => atMs > fromMs && atMs < toMs).length;
  }

  /** The longest time in which nothing at all was acknowledged. */
  longestSilenceMs(): number {
    const times = this.acknowledged.map(({ atMs }) => atMs).toSorted((left, right) => left - right);
    return times.slice(1).reduce((longest, atMs, index) => Math.max(longest, atMs - times[index]!), 0);
  }

  /** Reads the whole topic and names what is lost, twice, out of order, or not where it was acknowledged. */
  async problems(): Promise<string[]> {
    const problems: string[] = this.#refusal === null ? [] : [this.#refusal];
    const found = new Map<string, string>();
    const last = new Map<string, number>();
    for (const { partition } of this.#queues) {
      for (const frame of await this.#framesOf(partition)) {
        for (const [index, line] of frame.body.toString('utf8').split('\n').entries()) {
          const sender = peekSender(line)!;
          const at = `${partition}:${frame.firstOffset + index}`;
          if (found.has(sender.messageId)) problems.push(`${sender.messageId} is twice in the log`);
          found.set(sender.messageId, at);
          const number = Number(sender.messageId);
          if ((last.get(sender.device) ?? -1) > number) problems.push(`${sender.messageId} is out of order`);
          last.set(sender.device, number);
          const key = deviceKey(sender.tenant as TenantId, sender.device as DeviceId);
          if (partitionOf(key, this.#options.partitionCount) !== partition) problems.push(`${key} is in ${partition}`);
        }
      }
    }
    for (const { id, partition, offset } of this.acknowledged) {
      if (found.get(id) !== `${partition}:${offset}`) problems.push(`${id} was acknowledged and is not at its place`);
    }
    if (found.size !== this.#made) problems.push(`${found.size} records for ${this.#made} that were made`);
    return problems;
  }

  async #framesOf(partition: Partition): Promise<LogFrame[]> {
    const frames: LogFrame[] = [];
    const { end } = await this.#options.log.bounds('telemetry', partition);
    for (let from = 0; from < end; from = frames.at(-1)!.lastOffset + 1) {
      const request = { lane: 'telemetry', partition, from: from as Offset } as const;
      const [batch] = await this.#options.log.read([request], { framesMaxPerPartition: 1_000, waitMs: 1_000 });
      frames.push(...(batch?.frames ?? []));
    }
    return frames;
  }

  #tick(): void {
    const due = ((performance.now() - this.#startedAtMs) / 1_000) * this.#options.recordsPerSecond;
    while (this.#made < due) {
      const { device, partition } = this.#keys[this.#made % this.#keys.length]!;
      const line =
        `{"v":1,"k":"telemetry","day":1,"tenant":"${TENANT}","device":"${device}","inc":1,"se":1,"pid":1,"dg":1,` +
        `"id":"${this.#made}","ra":1,"tp":"","p":[]}`;
      this.#queues[partition]!.lines.push(line);
      this.#made += 1;
    }
    for (const queue of this.#queues) {
      if (queue.isRunning || queue.lines.length === 0) continue;
      queue.isRunning = true;
      // What was refused is said once, by `problems`, and its partition rests.
      const run: Promise<unknown> = this.#run(queue).then(
        () => {
          queue.isRunning = false;
          this.#running.delete(run);
        },
        () => this.#running.delete(run),
      );
      this.#running.add(run);
    }
  }

  async #run(queue: Queue): Promise<void> {
    while (queue.lines.length > 0) {
      const lines = queue.lines.splice(0, FRAME_RECORDS_MAX);
      queue.seq += 1;
      const { partition, seq } = queue;
      const request = {
        lane: 'telemetry',
        partition,
        producerId: 'load',
        seq,
        body: lines.join('\n'),
        recordCount: lines.length,
      } as const;
      const firstOffset = await this.#appended(request);
      const atMs = performance.now();
      for (const [index, line] of lines.entries()) {
        const id = peekSender(line)!.messageId;
        this.acknowledged.push({ id, partition, offset: firstOffset + index, atMs });
      }
    }
  }

  async #appended(request: AppendRequest): Promise<number> {
    for (;;) {
      try {
        const [result] = await this.#options.log.append([request]);
        if (result?.kind === 'appended') return result.firstOffset;
        this.#refusal ??= `partition ${request.partition}, frame ${request.seq}: ${JSON.stringify(result)}`;
        throw new Error(this.#refusal);
      } catch (error) {
        if ((error as { code?: string }).code !== 'BACKEND_UNAVAILABLE') throw error;
        await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
      }
    }
  }
}

import { openEventLog, type RedisClient } from '@breakwater/adapter-redis';
import { eventLogSettings, readSettings } from '@breakwater/config';
import { deviceKey, type DeviceId, type Partition, type TenantId } from '@breakwater/twin';
import type { AppendRequest, EventLog } from '@breakwater/twin-runtime';
import { partitionOf } from '@breakwater/wire';

import { telemetryLine } from '../telemetry-line.ts';

const TENANT = 'bench' as TenantId;
const PRODUCER = 'rows-benchmark';
/** About what one flush of the gateway holds at 30,000 events/s. */
const FLUSH_MS = 5;
const RECORDS_PER_FLUSH = 150;
const FLUSHES_UNDER_WAY_MAX = 8;
/** What one lane may hold: everything that is fed before the writer may begin. */
const LANE_BYTES_MAX = 4 * 1024 ** 3;

/** Appends telemetry to the log as the gateway does: many small frames, five values per record, device time now. */
export class RowsFeed {
  readonly #log: EventLog;
  readonly #devices: readonly { readonly id: DeviceId; readonly partition: number }[];
  readonly #seqs = new Map<number, number>();
  #next = 0;

  constructor(redis: RedisClient, options: { readonly devices: number; readonly partitions: number }) {
    const budget = { LOG_TELEMETRY_BYTES_PER_PARTITION: String(LANE_BYTES_MAX) };
    this.#log = openEventLog(redis, readSettings(eventLogSettings, budget));
    this.#devices = Array.from({ length: options.devices }, (_, index) => {
      const id = `bench-${String(index).padStart(5, '0')}` as DeviceId;
      return { id, partition: partitionOf(deviceKey(TENANT, id), options.partitions) };
    });
  }

  /** As fast as the log takes them. */
  async backlog(records: number): Promise<void> {
    const underWay = new Set<Promise<void>>();
    for (let left = records; left > 0; left -= RECORDS_PER_FLUSH) {
      const flush = this.#flush(Math.min(left, RECORDS_PER_FLUSH)).finally(() => underWay.delete(flush));
      underWay.add(flush);
      if (underWay.size >= FLUSHES_UNDER_WAY_MAX) await Promise.race(underWay);
    }
    await Promise.all(underWay);
  }

  /** An open loop: what is due is appended, however far the writer is. Answers how many records that were. */
  async openLoop(perSecond: number, seconds: number): Promise<number> {
    const startMs = performance.now();
    const total = Math.round(perSecond * seconds);
    let sent = 0;
    while (sent < total) {
      const due = Math.min(total, Math.floor(((performance.now() - startMs) / 1_000) * perSecond));
      // What is late leaves in pieces: a frame has a largest size.
      for (; sent < due; sent += RECORDS_PER_FLUSH) await this.#flush(Math.min(RECORDS_PER_FLUSH, due - sent));
      sent = Math.min(sent, due);
      await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
    }
    return sent;
  }

  async #flush(records: number): Promise<void> {
    const frames = new Map<number, string[]>();
    const nowMs = Date.now();
    for (let index = 0; index < records; index += 1) {
      const device = this.#devices[this.#next % this.#devices.length]!;
      const line = recordLine(device.id, Math.floor(this.#next / this.#devices.length), nowMs);
      const lines = frames.get(device.partition);
      if (lines === undefined) frames.set(device.partition, [line]);
      else lines.push(line);
      this.#next += 1;
    }
    const requests = [...frames].map(([partition, lines]) => this.#request(partition, lines));
    for (const result of await this.#log.append(requests)) {
      if (result.kind !== 'appended') throw new Error(`the log did not take a frame: ${JSON.stringify(result)}`);
    }
  }

  #request(partition: number, lines: readonly string[]): AppendRequest {
    const seq = (this.#seqs.get(partition) ?? 0) + 1;
    this.#seqs.set(partition, seq);
    return {
      lane: 'telemetry',
      partition: partition as Partition,
      producerId: PRODUCER,
      seq,
      body: lines.join('\n'),
      recordCount: lines.length,
    };
  }
}

/** The measurements that the load generator's devices send. */
function recordLine(device: DeviceId, seq: number, tsMs: number): string {
  const wave = Math.sin(seq / 50);
  const round = (value: number, digits: number) => Number(value.toFixed(digits));
  const values = new Map<string, number>([
    ['seq', seq],
    ['t', round(20 + 5 * wave, 1)],
    ['h', round(50 - 9 * wave, 1)],
    ['v', round(3.6 + wave / 10, 2)],
    ['on', seq % 2],
  ]);
  return telemetryLine({ tenant: TENANT, device, seq, tsMs, receivedAtMs: tsMs, values });
}

import { RedisEventLog, type RedisClient } from '@breakwater/adapter-redis';
import { deviceKey, type DeviceId, type Partition, type TenantId } from '@breakwater/twin';
import { partitionOf } from '@breakwater/wire';

import { telemetryLine } from '../telemetry-line.ts';

const TENANT = 'default' as TenantId;
const LANE_BYTES_MAX = 8 * 1024 ** 3;
const FRAME_BYTES_MAX = 512 * 1024;

export interface TelemetryLogOptions {
  readonly redis: RedisClient;
  readonly partitions: number;
  readonly devices: number;
}

/** Appends what devices would send, as frames like the gateway's; the devices take turns. */
export class TelemetryLog {
  readonly #log: RedisEventLog;
  readonly #partitions: number;
  readonly #devices: readonly { readonly id: DeviceId; readonly partition: Partition }[];
  readonly #producerId = `bench-${process.pid}-${Date.now()}`;
  readonly #seqs: number[];
  #sent = 0;

  constructor({ redis, partitions, devices }: TelemetryLogOptions) {
    this.#partitions = partitions;
    this.#log = new RedisEventLog({
      redis,
      laneBytesMax: { control: LANE_BYTES_MAX, telemetry: LANE_BYTES_MAX },
      frameBytesMax: FRAME_BYTES_MAX,
    });
    this.#devices = Array.from({ length: devices }, (_, index) => {
      const id = `device-${String(index).padStart(6, '0')}` as DeviceId;
      return { id, partition: partitionOf(deviceKey(TENANT, id), partitions) };
    });
    this.#seqs = Array.from({ length: partitions }, () => 0);
  }

  /** The next `count` records, one frame for each partition that has any. */
  async append(count: number): Promise<void> {
    const lines: string[][] = Array.from({ length: this.#partitions }, () => []);
    const nowMs = Date.now();
    for (let at = 0; at < count; at++) {
      const device = this.#devices[this.#sent % this.#devices.length]!;
      lines[device.partition]!.push(lineOf(device.id, this.#sent, nowMs));
      this.#sent++;
    }
    const requests = lines.flatMap((ofPartition, partition) => {
      if (ofPartition.length === 0) return [];
      const seq = (this.#seqs[partition] = this.#seqs[partition]! + 1);
      const frame = { body: ofPartition.join('\n'), recordCount: ofPartition.length };
      return [
        { lane: 'telemetry', partition: partition as Partition, producerId: this.#producerId, seq, ...frame } as const,
      ];
    });
    for (const result of await this.#log.append(requests)) {
      if (result.kind !== 'appended') throw new Error(`an append was refused: ${result.code}`);
    }
  }
}

/** The record that the gateway makes of the benchmark's payload: five values, about 90 bytes. */
function lineOf(device: DeviceId, seq: number, nowMs: number): string {
  const wave = Math.sin(seq / 500);
  const values = new Map<string, number>([
    ['seq', seq],
    ['t', Number((20 + 5 * wave).toFixed(1))],
    ['h', Number((50 + 10 * wave).toFixed(1))],
    ['v', Number((3.3 + wave / 10).toFixed(2))],
    ['on', seq % 2],
  ]);
  return telemetryLine({ tenant: TENANT, device, seq, tsMs: nowMs - 5, receivedAtMs: nowMs, values });
}

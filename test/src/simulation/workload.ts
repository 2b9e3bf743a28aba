import {
  deviceKey,
  type DeviceId,
  type Incarnation,
  type JsonValue,
  type Partition,
  type SessionEpoch,
  type TenantId,
  type TwinMessage,
} from '@breakwater/twin';
import type { DecodedRecord } from '@breakwater/twin-runtime';
import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';
import { decodeRecord, encodeRecord, keyOfRecord } from '@breakwater/wire';

import { KILLING_EVENT, THROWING_EVENT } from './chain-model.ts';
import type { FaultMix } from './fault-mix.ts';
import type { DeviceMessage } from './simulated-gateway.ts';

const TENANT = 'sim' as TenantId;
const CONTROL_SHARE = 0.4;
const LIFE_SHARE = 0.03;

export interface WorkloadOptions {
  readonly devices: number;
  readonly partitionCount: number;
  readonly random: SeededRandom;
  readonly faults: Pick<FaultMix, 'throwingMessage' | 'killingMessage'>;
}

interface SimulatedDevice {
  readonly id: DeviceId;
  readonly partition: Partition;
  incarnation: number;
  sessionEpoch: number;
}

/** What devices and applications say, message by message. */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #devices: readonly SimulatedDevice[];
  #messages = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#devices = Array.from({ length: options.devices }, (_, index) => ({
      id: `d${index}` as DeviceId,
      partition: (index % options.partitionCount) as Partition,
      incarnation: 1,
      sessionEpoch: 1,
    }));
  }

  next(nowMs: number): DeviceMessage {
    const { random } = this.#options;
    const device = this.#devices[random.below(this.#devices.length)] as SimulatedDevice;
    const number = ++this.#messages;
    const isControl = random.chance(CONTROL_SHARE);
    const message = isControl ? this.#control(device, number) : this.#telemetry(number, nowMs);
    const id = `m${number}`;
    const line = encodeRecord({
      tenant: TENANT,
      device: device.id,
      incarnation: device.incarnation as Incarnation,
      sessionEpoch: device.sessionEpoch as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: id,
      receivedAtMs: nowMs,
      traceparent: '',
      message,
    });
    return { id, lane: isControl ? 'control' : 'telemetry', partition: device.partition, line };
  }

  #telemetry(number: number, nowMs: number): Exclude<TwinMessage, { kind: 'deadLetter' | 'commandRecorded' }> {
    const { random, faults } = this.#options;
    if (random.chance(faults.killingMessage)) return { kind: 'event', name: KILLING_EVENT, tsMs: nowMs, data: null };
    if (random.chance(faults.throwingMessage)) return { kind: 'event', name: THROWING_EVENT, tsMs: nowMs, data: null };
    const values = new Map<string, JsonValue>([
      ['number', number],
      [`key-${random.below(3)}`, random.below(100)],
    ]);
    return { kind: 'telemetry', points: [{ tsMs: nowMs - random.below(2_000), values }] };
  }

  #control(device: SimulatedDevice, number: number): Exclude<TwinMessage, { kind: 'deadLetter' | 'commandRecorded' }> {
    const { random } = this.#options;
    if (random.chance(LIFE_SHARE)) {
      device.incarnation++;
      return { kind: 'deviceDeleted' };
    }
    switch (random.below(6)) {
      case 0:
        return { kind: 'patchTwin', operationId: `op-${number}`, desired: { [`want-${random.below(3)}`]: number } };
      case 1:
        device.sessionEpoch++;
        return { kind: 'sessionOpened', gatewayId: 'gateway', protocol: 'mqtt5' };
      case 2:
        return { kind: 'desiredSubscribed' };
      case 3:
        return { kind: 'getTwin' };
      default:
        return { kind: 'reportState', patch: { number, [`have-${random.below(3)}`]: random.below(5) } };
    }
  }
}

/** The decoder that the apps inject, too. */
export function decodeLine(line: string): DecodedRecord {
  const record = decodeRecord(line);
  const { incarnation, sessionEpoch, message } = record;
  return { key: keyOfRecord(record), incarnation, sessionEpoch, message };
}

/** Key of the device with this number. */
export function keyOfDevice(number: number): ReturnType<typeof deviceKey> {
  return deviceKey(TENANT, `d${number}` as DeviceId);
}

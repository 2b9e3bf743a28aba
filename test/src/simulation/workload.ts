import {
  deviceKey,
  type DeviceId,
  type Incarnation,
  type JsonValue,
  type Partition,
  type SessionEpoch,
  splitDeviceKey,
  type TenantId,
  type TwinMessage,
} from '@breakwater/twin';
import type { DecodedRecord, InputRecord } from '@breakwater/twin-runtime';
import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';
import { decodeRecord, encodeRecord, keyOfRecord } from '@breakwater/wire';

import { KILLING_EVENT, THROWING_EVENT } from './chain-model.ts';
import type { FaultMix } from './fault-mix.ts';
import type { DeviceMessage } from './simulated-gateway.ts';

const TENANT = 'sim' as TenantId;
const CONTROL_SHARE = 0.4;
const LIFE_SHARE = 0.03;
const COMMAND_SHARE = 0.7;
const DEVICES_WITH_COMMANDS = 2;
/** Few, so that several messages speak of the same command. */
const COMMANDS_OF_DEVICE = 2;
const COMMAND_LIFE_MS_MAX = 15_000;

type Said = Exclude<TwinMessage, { kind: 'deadLetter' | 'commandRecorded' }>;

export interface WorkloadOptions {
  readonly devices: number;
  readonly partitionCount: number;
  readonly random: SeededRandom;
  readonly faults: Pick<FaultMix, 'throwingMessage' | 'killingMessage'>;
  /** Most of what goes through the control lane is about commands. */
  readonly commands?: boolean;
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
    const { random, commands = false } = this.#options;
    // A story about commands takes many messages of one device.
    const device = this.#devices[random.below(commands ? DEVICES_WITH_COMMANDS : this.#devices.length)]!;
    const number = ++this.#messages;
    const isControl = random.chance(CONTROL_SHARE);
    const message = isControl ? this.#control(device, number, nowMs) : this.#telemetry(number, nowMs);
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

  #telemetry(number: number, nowMs: number): Said {
    const { random, faults } = this.#options;
    if (random.chance(faults.killingMessage)) return { kind: 'event', name: KILLING_EVENT, tsMs: nowMs, data: null };
    if (random.chance(faults.throwingMessage)) return { kind: 'event', name: THROWING_EVENT, tsMs: nowMs, data: null };
    const values = new Map<string, JsonValue>([
      ['number', number],
      [`key-${random.below(3)}`, random.below(100)],
    ]);
    return { kind: 'telemetry', points: [{ tsMs: nowMs - random.below(2_000), values }] };
  }

  #control(device: SimulatedDevice, number: number, nowMs: number): Said {
    const { random, commands = false } = this.#options;
    // Without commands nothing more is drawn: seeds that once failed stay what they were.
    if (commands && random.chance(COMMAND_SHARE)) return this.#command(device, number, nowMs);
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

  /** All that is said of commands, by applications, gateways, devices and workflows, in no good order. */
  #command(device: SimulatedDevice, number: number, nowMs: number): Said {
    const { random } = this.#options;
    const commandId = `c${random.below(COMMANDS_OF_DEVICE)}-${Math.floor(nowMs / COMMAND_LIFE_MS_MAX)}`;
    const dispatch = 1 + random.below(2);
    switch (random.below(10)) {
      case 0:
      case 6:
        if (random.chance(0.8)) return { kind: 'commandsSubscribed' };
        device.sessionEpoch++;
        return { kind: 'sessionOpened', gatewayId: 'gateway', protocol: 'mqtt5' };
      case 1:
      case 7:
        return { kind: 'commandDelivery', commandId, dispatch, outcome: random.chance(0.5) ? 'delivered' : 'sent' };
      case 2:
        return { kind: 'commandDelivery', commandId, dispatch, outcome: 'notSent' };
      case 3:
        return { kind: 'commandAnswered', commandId, status: random.chance(0.5) ? 'SUCCEEDED' : 'FAILED' };
      case 4:
        return { kind: 'cancelCommand', operationId: `op-${number}`, commandId, force: random.chance(0.5) };
      case 5:
        return { kind: 'resendCommand', commandId, dispatch };
      default: {
        const deadlineMs = nowMs + random.below(COMMAND_LIFE_MS_MAX);
        return { kind: 'orderCommand', operationId: '', commandId, bodyDigest: 'b', method: 'reboot', deadlineMs };
      }
    }
  }
}

/** What the runtime itself says to a twin, as its record. */
export function lineOfInput({ key, message, ...header }: InputRecord, nowMs: number): string {
  return encodeRecord({
    ...splitDeviceKey(key),
    ...header,
    packetId: 0,
    digest: 0,
    messageId: '',
    receivedAtMs: nowMs,
    traceparent: '',
    message: message as Said,
  });
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

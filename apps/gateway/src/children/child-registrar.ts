import { type DeviceId, isDeviceId, type Partition, type SessionEpoch } from '@breakwater/twin';
import { type Clock, type DeviceRegistry, PlatformError, type RegisteredDevice } from '@breakwater/twin-runtime';
import { encodeRecord, type ErrorCode } from '@breakwater/wire';

import type { AppendBatcher } from '../append/append-batcher.ts';

export interface ChildRegistrarOptions {
  readonly registry: DeviceRegistry;
  readonly batcher: AppendBatcher;
  readonly clock: Clock;
  readonly childrenMax: number;
}

/** Why a device may not be spoken for. */
export interface ChildRefusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

export function isRefusal(found: RegisteredDevice | ChildRefusal): found is ChildRefusal {
  return 'code' in found;
}

/** Finds a child of a gateway device. A name that no device of the tenant has is registered under it. */
export class ChildRegistrar {
  readonly #options: ChildRegistrarOptions;

  constructor(options: ChildRegistrarOptions) {
    this.#options = options;
  }

  /** Rejects when it cannot be said. */
  async childOf(
    gateway: RegisteredDevice,
    name: string,
    partitionOf: (device: DeviceId) => Partition,
  ): Promise<RegisteredDevice | ChildRefusal> {
    if (!isDeviceId(name)) return refused('its name is no device id: [A-Za-z0-9_.:-], at most 128 characters');
    const { registry, childrenMax, clock } = this.#options;
    const known = await registry.findDevice(gateway.tenant, name);
    if (known !== null) return ofGateway(known, gateway);
    const child = { device: name, via: gateway.device, nowMs: clock.nowMs() };
    const created = await registry.createChild(gateway.tenant, child, { childrenMax });
    if (created === 'CHILDREN_LIMIT') {
      return { code: 'CHILDREN_LIMIT', detail: `the gateway device has ${childrenMax} children already` };
    }
    if (created !== 'DEVICE_EXISTS') {
      await this.#announce(created, partitionOf(name));
      return created;
    }
    // Somebody else was quicker.
    const existing = await registry.findDevice(gateway.tenant, name);
    if (existing === null) throw unavailable('the device came and went while it was looked for');
    return ofGateway(existing, gateway);
  }

  /** The record of the creation, as the API writes it. Where it is lost, the twin begins with its first session. */
  async #announce(device: RegisteredDevice, partition: Partition): Promise<void> {
    const { batcher, clock, registry } = this.#options;
    const line = encodeRecord({
      tenant: device.tenant,
      device: device.device,
      incarnation: device.incarnation,
      sessionEpoch: 0 as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: clock.nowMs(),
      traceparent: '',
      message: { kind: 'deviceCreated' },
    });
    const outcome = await batcher.append({ lane: 'control', partition }, line, 'keep');
    if (outcome.kind === 'durable') return;
    await registry.deleteDevice(device.tenant, device.device);
    throw unavailable('the creation of a child device is not in the log');
  }
}

function ofGateway(device: RegisteredDevice, gateway: RegisteredDevice): RegisteredDevice | ChildRefusal {
  return device.profile.via === gateway.device
    ? device
    : refused('it is a device that is not assigned to this gateway');
}

function refused(detail: string): ChildRefusal {
  return { code: 'CHILD_REFUSED', detail };
}

function unavailable(message: string): PlatformError {
  return new PlatformError('BACKEND_UNAVAILABLE', message, { retryable: true });
}

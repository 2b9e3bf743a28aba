import { type CloseReason, type DeliveryOutcome, type Session, SharedPublishRate } from '@breakwater/mqtt-endpoint';
import { type DeviceId, deviceKey, type Incarnation, type TenantId } from '@breakwater/twin';
import {
  type Clock,
  DEFAULT_DEVICE_PROFILE,
  type DeviceRegistry,
  type RegisteredDevice,
} from '@breakwater/twin-runtime';
import { partitionOf } from '@breakwater/wire';

import { RecencyMap } from '../protection/recency-map.ts';
import type { TenantShares } from '../protection/tenant-shares.ts';
import { DeviceSession } from '../session/device-session.ts';
import { BRIDGED_DEVICES_MIN, type BridgedMemories } from './bridged-memories.ts';

export interface BridgedDevicesOptions {
  readonly registry: Pick<DeviceRegistry, 'findDevice'>;
  readonly memories: BridgedMemories;
  readonly tenantShares: TenantShares;
  readonly clock: Clock;
  readonly partitionCount: number;
  readonly publishesPerSecondMax: number;
  readonly publishBytesPerSecondMax: number;
  readonly resendDevicesMax: number;
  /** How long the registry's answer is good. */
  readonly bridgeRegistryCacheMs: number;
  readonly clientId: string;
  readonly remoteAddress: string;
}

/** A device whose messages come from another broker. */
export interface BridgedDevice {
  readonly session: Session<DeviceSession>;
  readonly rate: SharedPublishRate;
  /** Settles when the messages before have entered. */
  turn: Promise<unknown>;
}

interface Found {
  readonly atMs: number;
  readonly device: Promise<BridgedDevice | null>;
}

const NO_SUBSCRIPTIONS: ReadonlyMap<string, 0 | 1 | 2> = new Map();

/** The devices that one connection to another broker speaks for. They have no session: nobody knows when they go. */
export class BridgedDevices {
  readonly #options: BridgedDevicesOptions;
  readonly #found: RecencyMap<Found>;

  constructor(options: BridgedDevicesOptions) {
    this.#options = options;
    this.#found = new RecencyMap(Math.max(BRIDGED_DEVICES_MIN, options.resendDevicesMax));
  }

  /** Null: there is no such device. Callers of one device are answered in the order in which they asked. */
  of(tenant: TenantId, id: DeviceId): Promise<BridgedDevice | null> {
    const { clock, bridgeRegistryCacheMs } = this.#options;
    const key = deviceKey(tenant, id);
    const known = this.#found.get(key);
    const nowMs = clock.nowMs();
    if (known !== undefined && nowMs - known.atMs < bridgeRegistryCacheMs) return known.device;
    const device = this.#find(tenant, id, known?.device ?? Promise.resolve(null));
    this.#found.set(key, { atMs: nowMs, device });
    return device;
  }

  /** One that is not asked for in the registry: in its name is kept what is nobody's. */
  unregistered(tenant: TenantId, device: DeviceId): BridgedDevice {
    const incarnation = 1 as Incarnation;
    return this.#create({ tenant, device, incarnation, createdAtMs: 0, profile: DEFAULT_DEVICE_PROFILE });
  }

  async #find(tenant: TenantId, id: DeviceId, before: Promise<BridgedDevice | null>): Promise<BridgedDevice | null> {
    const registered = await this.#options.registry.findDevice(tenant, id);
    const known = await before;
    if (registered === null) return null;
    const { incarnation, profile } = known?.session.identity.device ?? {};
    const isSame =
      incarnation === registered.incarnation && profile?.payloadFormat === registered.profile.payloadFormat;
    return known !== null && isSame ? known : this.#create(registered);
  }

  #create(device: RegisteredDevice): BridgedDevice {
    const { memories, tenantShares, partitionCount, clock, clientId, remoteAddress } = this.#options;
    const key = deviceKey(device.tenant, device.device);
    const identity = new DeviceSession({
      device,
      key,
      partition: partitionOf(key, partitionCount),
      credential: { kind: 'gatewayDevice' },
      tenantShare: tenantShares.of(device.tenant),
    });
    identity.memory = memories.of(identity.sessionKey);
    const session: Session<DeviceSession> = {
      identity,
      clientId,
      protocolVersion: 5,
      remoteAddress,
      isResumed: false,
      subscriptions: () => NO_SUBSCRIPTIONS,
      send: (): Promise<DeliveryOutcome> => Promise.resolve({ kind: 'notDelivered', reason: 'offline' }),
      close: (_reason: CloseReason) => undefined,
    };
    const { publishesPerSecondMax: messagesPerSecondMax, publishBytesPerSecondMax: bytesPerSecondMax } = this.#options;
    const rate = new SharedPublishRate({ messagesPerSecondMax, bytesPerSecondMax }, clock.nowMs());
    return { session, rate, turn: Promise.resolve() };
  }
}

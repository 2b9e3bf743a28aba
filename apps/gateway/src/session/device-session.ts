import { assert, type DeviceKey, type Partition, type SessionEpoch } from '@breakwater/twin';
import type { RegisteredDevice } from '@breakwater/twin-runtime';

import type { TenantShare } from '../protection/tenant-shares.ts';
import type { DeviceCredential } from '../identity/credential.ts';
import { OwnTelemetry } from './own-telemetry.ts';
import type { ResendMemory } from './resend-memory.ts';
import { SessionDownlinks } from './session-downlinks.ts';
import { sessionKeyOf } from './stored/stored-sessions.ts';

/** One connection of a device, as the gateway knows it. The engine hands it back on every call. */
export class DeviceSession {
  readonly device: RegisteredDevice;
  readonly key: DeviceKey;
  readonly partition: Partition;
  readonly credential: DeviceCredential;
  readonly tenantShare: TenantShare;
  /** The name of its MQTT session, which may be older than this connection, and of its memory. */
  readonly sessionKey: string;
  readonly downlinks = new SessionDownlinks();
  readonly telemetry = new OwnTelemetry();
  /** 0 until the directory has given the connection its number. */
  sessionEpoch = 0 as SessionEpoch;
  /** The oldest connection whose messages the device may send again by packet id. */
  previousEpoch = 0;
  /** The identity of the gateway under which the session was opened. */
  gatewayId = '';
  /** Set while a message waits for such a read: those behind it wait too, so that they keep their order. */
  gate: Promise<unknown> | null = null;
  /** A message was not stored: nothing behind it may be, or it would overtake it. */
  broken = false;
  /** `sessionOpened` is in the log, so `sessionClosed` must follow. */
  announced = false;
  #memory: ResendMemory | null = null;

  constructor(identity: {
    readonly device: RegisteredDevice;
    readonly key: DeviceKey;
    readonly partition: Partition;
    readonly credential: DeviceCredential;
    readonly tenantShare: TenantShare;
  }) {
    this.device = identity.device;
    this.key = identity.key;
    this.partition = identity.partition;
    this.credential = identity.credential;
    this.tenantShare = identity.tenantShare;
    this.sessionKey = sessionKeyOf(identity.key, identity.device.incarnation);
  }

  /** What the device sent last. `ResendMemories` lends it, from the moment that the session opens. */
  get memory(): ResendMemory {
    assert(this.#memory !== null, 'a session that was never to open has no memory');
    return this.#memory;
  }

  set memory(memory: ResendMemory) {
    this.#memory = memory;
  }
}

import { Inject, Injectable } from '@nestjs/common';
import { deviceKey, type JsonObject, type OperationOutcome, type TwinCommands } from '@breakwater/twin';
import type { DeviceRegistry, RegisteredDevice, TwinStore } from '@breakwater/twin-runtime';
import type { DeviceId, TenantId } from '@breakwater/twin';

import { DEVICE_REGISTRY, TWIN_STORE } from '../api-ports.ts';
import { notFound } from '../http/problem.ts';
import { viewStoredTwin } from '../stored-twin-view.ts';
import { ControlWriter } from './control-writer.ts';

/** A twin as it is stored at this moment. */
export interface TwinView {
  readonly version: number;
  readonly document: JsonObject;
  readonly commands: TwinCommands;
  /** How an operation ended, if the twin still remembers it. */
  outcomeOf(operationKey: string): OperationOutcome | null;
}

/** Reads twins past their owners. A device that is registered has a twin, from its first moment on. */
@Injectable()
export class TwinReader {
  constructor(
    @Inject(DEVICE_REGISTRY) private readonly registry: DeviceRegistry,
    @Inject(TWIN_STORE) private readonly twins: TwinStore,
    private readonly writer: ControlWriter,
  ) {}

  /** @throws Problem NOT_FOUND, for another tenant's device too */
  async device(tenant: TenantId, device: DeviceId): Promise<RegisteredDevice> {
    const registered = await this.registry.findDevice(tenant, device);
    if (registered === null) throw notFound('device');
    return registered;
  }

  async twin(tenant: TenantId, device: DeviceId): Promise<TwinView> {
    return this.twinOf(await this.device(tenant, device));
  }

  async twinOf(device: RegisteredDevice): Promise<TwinView> {
    const key = deviceKey(device.tenant, device.device);
    const stored = await this.twins.read(this.writer.partitionOf(device), key);
    return viewStoredTwin(device, stored.state);
  }
}

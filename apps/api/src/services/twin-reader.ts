import { Inject, Injectable } from '@nestjs/common';
import { deviceKey, type DeviceId, type TenantId } from '@breakwater/twin';
import type { DeviceRegistry, RegisteredDevice, TwinStore } from '@breakwater/twin-runtime';

import { DEVICE_REGISTRY, TWIN_STORE } from '../api-ports.ts';
import { notFound } from '../http/problem.ts';
import { type TwinView, viewStoredTwin } from '../stored-twin-view.ts';
import { ControlWriter } from './control-writer.ts';

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

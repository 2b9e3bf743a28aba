import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { TenantId } from '@breakwater/twin';
import type { Clock, DeviceRegistry } from '@breakwater/twin-runtime';

import { API_OPTIONS, CLOCK, DEVICE_REGISTRY, type ApiOptions } from '../api-ports.ts';
import { DEFAULT_TENANT, newApiKey, secretHash, type Caller } from '../http/authentication.ts';
import { Problem } from '../http/problem.ts';

export interface CreatedTenant {
  readonly id: TenantId;
  /** Shown this once; only its digest is kept. */
  readonly apiKey: string;
  readonly createdAt: number;
}

@Injectable()
export class TenantService implements OnApplicationBootstrap {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(DEVICE_REGISTRY) private readonly registry: DeviceRegistry,
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
  ) {}

  /** The admin key's tenant exists from the first start on. */
  async onApplicationBootstrap(): Promise<void> {
    if (await this.registry.tenantExists(DEFAULT_TENANT)) return;
    // A key that nobody knows: the admin key is compared with the setting, so that a changed setting is enough to
    // change it.
    await this.registry.createTenant(DEFAULT_TENANT, secretHash(newApiKey()), this.clock.nowMs());
  }

  async create(caller: Caller, wanted: TenantId | undefined): Promise<CreatedTenant> {
    if (!caller.isAdmin) throw new Problem('FORBIDDEN', 'only the admin key may create tenants');
    const id = wanted ?? (`t-${randomBytes(8).toString('hex')}` as TenantId);
    const apiKey = newApiKey();
    const created = await this.registry.createTenant(id, secretHash(apiKey), this.clock.nowMs());
    if (created === 'TENANT_EXISTS') throw new Problem('TENANT_EXISTS', `there already is a tenant ${id}`);
    return { id, apiKey, createdAt: created.createdAtMs };
  }
}

import { Body, Controller, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { createTenantBody, tenantCreated } from '../schemas/device-schemas.ts';
import { TenantService, type CreatedTenant } from '../services/tenant-service.ts';
import { describeOperation } from './api-operation.ts';

@ApiTags('Tenants')
@Controller('api/v1/tenants')
export class TenantController {
  constructor(private readonly tenants: TenantService) {}

  @Post()
  @describeOperation({
    summary: 'Create a tenant',
    description: 'Needs the admin key. The API key in the answer sees this tenant only and is shown this once.',
    success: { status: 201, description: 'The tenant and its key.', schema: tenantCreated },
    problems: [403, 409, 413, 415],
  })
  create(
    @CurrentCaller() caller: Caller,
    @Body({ schema: createTenantBody }) body: z.output<typeof createTenantBody>,
  ): Promise<CreatedTenant> {
    return this.tenants.create(caller, body.id);
  }
}

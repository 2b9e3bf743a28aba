import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { ledger } from '../schemas/ledger-schemas.ts';
import { LedgerService, type Ledger, type TenantLedgerView } from '../services/ledger-service.ts';
import { describeOperation } from './api-operation.ts';

@ApiTags('Operations')
@Controller('api/v1/ledger')
export class LedgerController {
  constructor(private readonly ledger: LedgerService) {}

  @Get()
  @describeOperation({
    summary: 'What was appended, and what became of it',
    description:
      'appended = sum of outcomes + in flight, by consumer, lane, partition and tenant. The admin key sees all; the key ' +
      'of a tenant sees the lines of its tenant, without `lanes` and `partitions`, which all tenants share.',
    success: { status: 200, description: 'By lane, by lane and partition, and by tenant.', schema: ledger },
  })
  read(@CurrentCaller() caller: Caller): Promise<Ledger | TenantLedgerView> {
    return caller.isAdmin ? this.ledger.read() : this.ledger.readOf(caller.tenant);
  }
}

import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { Problem } from '../http/problem.ts';
import { ledger } from '../schemas/ledger-schemas.ts';
import { LedgerService, type Ledger } from '../services/ledger-service.ts';
import { describeOperation } from './api-operation.ts';

@ApiTags('Operations')
@Controller('api/v1/ledger')
export class LedgerController {
  constructor(private readonly ledger: LedgerService) {}

  @Get()
  @describeOperation({
    summary: 'What was appended, and what became of it',
    description: 'Needs the admin key: partitions are shared by all tenants. appended = sum of outcomes + in flight.',
    success: { status: 200, description: 'By lane, and by lane and partition.', schema: ledger },
    problems: [403],
  })
  read(@CurrentCaller() caller: Caller): Promise<Ledger> {
    if (!caller.isAdmin) throw new Problem('FORBIDDEN', 'only the admin key may read the ledger');
    return this.ledger.read();
  }
}

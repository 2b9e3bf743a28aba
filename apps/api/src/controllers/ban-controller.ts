import { Controller, Delete, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { linkNext } from '../http/link-next.ts';
import { banList, banListQuery, banPath } from '../schemas/ban-schemas.ts';
import { BanService, type BanPage } from '../services/ban-service.ts';
import { describeOperation } from './api-operation.ts';

@ApiTags('Operations')
@Controller('api/v1/bans')
export class BanController {
  constructor(private readonly bans: BanService) {}

  @Get()
  @describeOperation({
    summary: 'List who is banned from connecting now, in order of id',
    description: 'A tenant sees its own devices; the admin key sees the devices of all tenants, and addresses.',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: banList },
  })
  async list(
    @CurrentCaller() caller: Caller,
    @Query({ schema: banListQuery }) query: z.output<typeof banListQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BanPage> {
    const page = await this.bans.list(caller, query.limit, query.cursor);
    linkNext(request, reply, page.nextCursor);
    return page;
  }

  @Delete(':id')
  @describeOperation({
    summary: 'Lift a ban',
    description: 'Every gateway takes its CONNECT again about a second later. What led to the ban is forgotten.',
    success: { status: 204, description: 'It is lifted.' },
    problems: [404],
  })
  lift(@CurrentCaller() caller: Caller, @Param({ schema: banPath }) path: z.output<typeof banPath>): Promise<void> {
    return this.bans.lift(caller, path.id);
  }
}

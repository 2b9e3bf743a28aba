import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { linkNext } from '../http/link-next.ts';
import { devicePath } from '../schemas/device-schemas.ts';
import {
  deadLetterPage,
  deadLettersQuery,
  eventPage,
  eventsQuery,
  telemetryPage,
  telemetryQuery,
  twinHistoryPage,
  twinHistoryQuery,
} from '../schemas/telemetry-schemas.ts';
import { TelemetryService, type List } from '../services/telemetry-service.ts';
import { describeOperation } from './api-operation.ts';

type DevicePath = z.output<typeof devicePath>;

@ApiTags('Telemetry')
@Controller('api/v1')
export class TelemetryController {
  constructor(private readonly telemetry: TelemetryService) {}

  @Get('devices/:id/telemetry')
  @describeOperation({
    summary: 'Read telemetry, newest first',
    description: 'Raw without `step`; with it one value per key and bucket, from the rollup that fits.',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: telemetryPage },
    problems: [404],
  })
  async read(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Query({ schema: telemetryQuery }) query: z.output<typeof telemetryQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<List<unknown>> {
    return withLink(request, reply, await this.telemetry.telemetry(caller.tenant, path.id, query));
  }

  @Get('devices/:id/events')
  @describeOperation({
    summary: 'Read the events of a device, newest first',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: eventPage },
    problems: [404],
  })
  async events(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Query({ schema: eventsQuery }) query: z.output<typeof eventsQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<List<unknown>> {
    return withLink(request, reply, await this.telemetry.events(caller.tenant, path.id, query));
  }

  @Get('devices/:id/twin/history')
  @describeOperation({
    summary: 'Read what a twin was, newest first',
    description:
      'One item per change, with the whole twin after it; kept for 90 days. Changes of `reported` and presence that ' +
      'came at once are one item. The latest values in a twin are those of that moment; their own past is `telemetry`.',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: twinHistoryPage },
    problems: [404],
  })
  async twinHistory(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Query({ schema: twinHistoryQuery }) query: z.output<typeof twinHistoryQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<List<unknown>> {
    return withLink(request, reply, await this.telemetry.twinHistory(caller.tenant, path.id, query));
  }

  @Get('dead-letters')
  @describeOperation({
    summary: 'Read what could not be used, newest first',
    description: 'Messages of devices with their bytes, the reason and who sent them; kept for seven days.',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: deadLetterPage },
  })
  async deadLetters(
    @CurrentCaller() caller: Caller,
    @Query({ schema: deadLettersQuery }) query: z.output<typeof deadLettersQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<List<unknown>> {
    return withLink(request, reply, await this.telemetry.deadLetters(caller.tenant, query));
  }
}

function withLink<Item>(request: FastifyRequest, reply: FastifyReply, page: List<Item>): List<Item> {
  linkNext(request, reply, page.nextCursor);
  return page;
}

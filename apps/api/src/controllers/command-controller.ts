import { Body, Controller, Get, Headers, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import { isEnded } from '@breakwater/twin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { idempotencyKeyOf } from '../http/idempotency-key.ts';
import { linkNext } from '../http/link-next.ts';
import { preferredWaitMs } from '../http/preferred-wait.ts';
import { traceOf } from '../http/trace.ts';
import {
  cancelBody,
  command,
  commandBody,
  commandPage,
  commandPath,
  commandsQuery,
} from '../schemas/command-schemas.ts';
import { devicePath } from '../schemas/device-schemas.ts';
import { CommandReader } from '../services/command-reader.ts';
import { CommandService } from '../services/command-service.ts';
import type { CommandView } from '../services/command-view.ts';
import type { List } from '../services/telemetry-service.ts';
import { describeOperation } from './api-operation.ts';

type DevicePath = z.output<typeof devicePath>;
type CommandPath = z.output<typeof commandPath>;

@ApiTags('Commands')
@Controller('api/v1')
export class CommandController {
  constructor(
    private readonly commands: CommandService,
    private readonly reader: CommandReader,
  ) {}

  @Post('devices/:id/commands')
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'The same key with the same body is the same command; with another body it is refused.',
  })
  @ApiHeader({ name: 'Prefer', required: false, description: '`wait=N`: wait N seconds for the end, 60 at most.' })
  @describeOperation({
    summary: 'Order a command',
    description:
      'Answers when the twin of the device has it. It is carried out once or ends with an honest reason, also when ' +
      'the device is away until its deadline. 200 instead of 202: it has ended.',
    success: { status: 202, description: 'The command; `Location` names it.', schema: command },
    problems: [404, 409, 422, 429],
  })
  async order(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Body({ schema: commandBody }) body: z.output<typeof commandBody>,
    @Headers('prefer') prefer: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CommandView> {
    const waitMs = preferredWaitMs(prefer);
    const view = await this.commands.order(caller, path.id, body, {
      idempotencyKey: idempotencyKeyOf(request),
      traceparent: traceOf(request).traceparent,
      waitMs,
    });
    void reply.header('location', `/api/v1/commands/${view.commandId}`);
    if (waitMs > 0) void reply.header('preference-applied', `wait=${waitMs / 1_000}`);
    if (isEnded(view)) void reply.status(200);
    return view;
  }

  @Get('devices/:id/commands')
  @describeOperation({
    summary: 'Read the commands of a device, the one ordered last first',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: commandPage },
    problems: [404],
  })
  async list(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Query({ schema: commandsQuery }) query: z.output<typeof commandsQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<List<CommandView>> {
    const page = await this.reader.commands(caller.tenant, path.id, query);
    linkNext(request, reply, page.nextCursor);
    return page;
  }

  @Get('commands/:id')
  @describeOperation({
    summary: 'Read a command',
    success: { status: 200, description: 'Where it stands, and how it came there.', schema: command },
    problems: [404],
  })
  read(@CurrentCaller() caller: Caller, @Param({ schema: commandPath }) path: CommandPath): Promise<CommandView> {
    return this.reader.command(caller.tenant, path.id);
  }

  @Post('commands/:id(^.+)::cancel')
  @describeOperation({
    summary: 'Cancel a command',
    description:
      'Before it may have reached the device it ends; after that only with `force`, and then it may have run.',
    success: { status: 200, description: 'The canceled command.', schema: command },
    problems: [404, 409, 504],
  })
  cancel(
    @CurrentCaller() caller: Caller,
    @Param({ schema: commandPath }) path: CommandPath,
    @Body({ schema: cancelBody }) body: z.output<typeof cancelBody>,
    @Req() request: FastifyRequest,
  ): Promise<CommandView> {
    return this.commands.cancel(caller, path.id, {
      force: body?.force ?? false,
      reason: body?.reason,
      traceparent: traceOf(request).traceparent,
    });
  }
}

import { Body, Controller, Get, Headers, Param, Patch, Req, Res } from '@nestjs/common';
import { ApiConsumes, ApiHeader, ApiTags } from '@nestjs/swagger';
import type { JsonObject } from '@breakwater/twin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { entityTag, matchesIfNoneMatch, parseIfMatch } from '../http/entity-tag.ts';
import { idempotencyKeyOf } from '../http/idempotency-key.ts';
import { traceOf } from '../http/trace.ts';
import { devicePath } from '../schemas/device-schemas.ts';
import { operation, operationPath, twin, twinPatchBody } from '../schemas/twin-schemas.ts';
import { OperationService, type OperationView } from '../services/operation-service.ts';
import { TwinReader } from '../services/twin-reader.ts';
import { TwinWriter } from '../services/twin-writer.ts';
import { describeOperation } from './api-operation.ts';

type DevicePath = z.output<typeof devicePath>;

@ApiTags('Twins')
@Controller('api/v1')
export class TwinController {
  constructor(
    private readonly reader: TwinReader,
    private readonly writer: TwinWriter,
    private readonly operations: OperationService,
  ) {}

  @Get('devices/:id/twin')
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'Entity tags that the client has.' })
  @describeOperation({
    summary: 'Read a twin',
    success: { status: 200, description: 'The twin; `ETag` is its version.', schema: twin },
    problems: [304, 404],
  })
  async read(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject | undefined> {
    const { version, document } = await this.reader.twin(caller.tenant, path.id);
    void reply.header('etag', entityTag(version)).header('cache-control', 'no-cache');
    if (!matchesIfNoneMatch(ifNoneMatch, version)) return document;
    void reply.status(304);
    return undefined;
  }

  @Patch('devices/:id/twin')
  @ApiHeader({ name: 'If-Match', required: false, description: 'Apply only to one of these versions; `*`: to any.' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'A repeat under the same key gets the first outcome.',
  })
  @ApiConsumes('application/merge-patch+json', 'application/json')
  @describeOperation({
    summary: 'Change desired state and tags',
    description: 'A JSON Merge Patch. Answers after the twin applied it.',
    success: { status: 200, description: 'The twin after the patch; `ETag` is its version.', schema: twin },
    problems: [404, 412, 413, 415, 422, 504],
  })
  async patch(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Body({ schema: twinPatchBody }) body: z.output<typeof twinPatchBody>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { version, document } = await this.writer.patch(caller, path.id, body, {
      ifMatch: parseIfMatch(request.headers['if-match']),
      idempotencyKey: idempotencyKeyOf(request),
      traceparent: traceOf(request).traceparent,
    });
    void reply.header('etag', entityTag(version));
    return document;
  }

  @Get('operations/:id')
  @describeOperation({
    summary: 'Ask what became of a write',
    description: 'The id comes from a 504. The twin remembers its last 32 operations.',
    success: { status: 200, description: 'Pending, applied or rejected.', schema: operation },
    problems: [404],
  })
  operation(
    @CurrentCaller() caller: Caller,
    @Param({ schema: operationPath }) path: z.output<typeof operationPath>,
  ): Promise<OperationView> {
    return this.operations.find(caller, path.id);
  }
}

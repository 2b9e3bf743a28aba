import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Metrics } from '@breakwater/observability';
import type { FastifyReply } from 'fastify';

import { METRICS } from '../api-ports.ts';
import { ApiQueues } from '../services/api-queues.ts';
import { Readiness } from '../services/readiness.ts';
import { describeOperation } from './api-operation.ts';

@ApiTags('Health')
@Controller()
export class HealthController {
  constructor(
    private readonly readiness: Readiness,
    private readonly queues: ApiQueues,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  @Get('health/live')
  @describeOperation({
    summary: 'Whether this process runs',
    success: { status: 200, description: 'It does.' },
    isPublic: true,
  })
  live(): { status: string } {
    return { status: 'live' };
  }

  @Get('health/ready')
  @describeOperation({
    summary: 'Whether events flow',
    description:
      'The first 200 of a process: from end to end. After it 503 only while the store is away or no shard has a ' +
      'worker; `degraded` names what else is away or behind, `filling` the queues that would be full within the hour.',
    success: { status: 200, description: 'They do.' },
    problems: [503],
    isPublic: true,
  })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Record<string, unknown>> {
    const { ready, degraded } = await this.readiness.check();
    void reply.status(ready ? 200 : 503);
    return { status: ready ? 'ready' : 'not ready', degraded, filling: this.queues.filling() };
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @describeOperation({
    summary: 'Metrics of this process, for Prometheus',
    success: { status: 200, description: 'Text format 0.0.4.' },
    isPublic: true,
  })
  text(): Promise<string> {
    return this.metrics.text();
  }
}

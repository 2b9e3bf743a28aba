import { Controller, Get, Inject, Param, Req, Res, type OnApplicationShutdown } from '@nestjs/common';
import { ApiHeader, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Logger } from '@breakwater/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { API_OPTIONS, LOGGER, type ApiOptions } from '../api-ports.ts';
import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { CommandStreams, type OpenCommandStream } from '../live/command-streams.ts';
import { ServerSentEvents } from '../live/server-sent-events.ts';
import { commandPath } from '../schemas/command-schemas.ts';
import type { CommandView } from '../services/command-view.ts';
import { describeOperation } from './api-operation.ts';

const NO_CONTENT = 204;

@ApiTags('Commands')
@Controller('api/v1/commands')
export class CommandEventsController implements OnApplicationShutdown {
  readonly #open = new Set<OpenCommandStream>();

  constructor(
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly streams: CommandStreams,
  ) {}

  /** Otherwise an open stream would hold up the stop of the process until its client leaves. */
  onApplicationShutdown(): void {
    for (const stream of this.#open) stream.close();
  }

  @Get(':id/events')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Transitions that the client has seen.' })
  @ApiProduces('text/event-stream')
  @describeOperation({
    summary: 'Follow a command (server-sent events)',
    description:
      'Event `command`: the whole command after a change. The stream ends with the command; who comes back after ' +
      'that gets 204 and stays away.',
    success: { status: 200, description: 'A stream that ends with the command.' },
    problems: [404],
  })
  async follow(
    @CurrentCaller() caller: Caller,
    @Param({ schema: commandPath }) path: z.output<typeof commandPath>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const header = request.headers['last-event-id'];
    const after = typeof header === 'string' && /^\d{1,4}$/.test(header) ? Number(header) : 0;
    const stream = await this.streams.open(caller.tenant, path.id, after);
    this.#open.add(stream);
    reply.raw.on('close', () => stream.close());
    try {
      const first = await stream.views.next();
      if (first.done === true) {
        void reply.status(NO_CONTENT).send();
        return;
      }
      reply.hijack();
      const firstId = String(after);
      const events = new ServerSentEvents(reply.raw, { heartbeatMs: this.options.heartbeatMs, firstId });
      let view: IteratorResult<CommandView, void> = first;
      for (; view.done !== true; view = await stream.views.next()) {
        const { value } = view;
        const id = String(value.transitions.length);
        if (!(await events.send({ name: 'command', id, data: JSON.stringify(value) }))) break;
      }
      events.end();
    } catch (error) {
      // The client sees the end of the stream and resumes by itself.
      this.logger.warn({ err: error }, 'a stream of a command ended early');
      reply.raw.end();
    } finally {
      stream.close();
      this.#open.delete(stream);
    }
  }
}

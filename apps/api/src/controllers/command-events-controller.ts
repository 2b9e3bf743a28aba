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
import { describeOperation } from './api-operation.ts';

const NO_CONTENT = 204;
/** As the streams write them; whatever else a client says it has seen, it gets the command as it is now. */
const SEEN_PATTERN = /^\d{1,4}-[\w-]{1,16}$/;
const FIRST_ID = '0-';

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
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The last event that the client has seen.' })
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
    const seen = typeof header === 'string' && SEEN_PATTERN.test(header) ? header : '';
    const stream = await this.streams.open(caller.tenant, path.id, seen);
    if (stream.isOver) {
      stream.close();
      void reply.status(NO_CONTENT).send();
      return;
    }
    // A command may wait for days: the stream is open from the first moment on.
    reply.hijack();
    this.#open.add(stream);
    reply.raw.on('close', () => stream.close());
    // The client may have left while the stream was being opened, and then that event has passed.
    if (reply.raw.destroyed) stream.close();
    const firstId = seen === '' ? FIRST_ID : seen;
    const events = new ServerSentEvents(reply.raw, { heartbeatMs: this.options.heartbeatMs, firstId });
    try {
      if (request.method !== 'HEAD') await feed(stream, events);
    } catch (error) {
      // The client sees the end of the stream and resumes by itself.
      this.logger.warn({ err: error }, 'a stream of a command ended early');
    } finally {
      stream.close();
      events.end();
      this.#open.delete(stream);
    }
  }
}

async function feed(stream: OpenCommandStream, events: ServerSentEvents): Promise<void> {
  for await (const { id, view } of stream.notices) {
    if (!(await events.send({ name: 'command', id, data: JSON.stringify(view) }))) return;
  }
}

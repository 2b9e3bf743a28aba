import { Controller, Get, Inject, Param, Req, Res, type OnApplicationShutdown } from '@nestjs/common';
import { ApiHeader, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Logger } from '@breakwater/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { API_OPTIONS, LOGGER, type ApiOptions } from '../api-ports.ts';
import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { ServerSentEvents } from '../live/server-sent-events.ts';
import { TwinStreams, type OpenTwinStream, type TwinNotice } from '../live/twin-stream.ts';
import { devicePath } from '../schemas/device-schemas.ts';
import { describeOperation } from './api-operation.ts';

@ApiTags('Twins')
@Controller('api/v1/devices')
export class TwinEventsController implements OnApplicationShutdown {
  readonly #open = new Set<OpenTwinStream>();

  constructor(
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly streams: TwinStreams,
  ) {}

  /** Otherwise an open stream would hold up the stop of the process until its client leaves. */
  onApplicationShutdown(): void {
    for (const stream of this.#open) stream.close();
  }

  @Get(':id/twin/events')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Resume after this event.' })
  @ApiProduces('text/event-stream')
  @describeOperation({
    summary: 'Follow the changes of a twin (server-sent events)',
    description:
      'Event `twin`: the whole twin after a change. Event `telemetry`: the newest values, once a second at most. ' +
      'Event `gap`: changes were missed; the twin as it is now. ' +
      'The id of an event resumes the stream after it.',
    success: { status: 200, description: 'A stream without end.' },
    problems: [404],
  })
  async follow(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: z.output<typeof devicePath>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const header = request.headers['last-event-id'];
    const after = typeof header === 'string' && header !== '' ? header : null;
    const stream = await this.streams.open({ tenant: caller.tenant, device: path.id, after });
    reply.hijack();
    this.#open.add(stream);
    reply.raw.on('close', () => stream.close());
    // The client may have left while the stream was being opened, and then that event has passed.
    if (reply.raw.destroyed) stream.close();
    const events = new ServerSentEvents(reply.raw, { heartbeatMs: this.options.heartbeatMs, firstId: stream.cursor });
    try {
      if (request.method !== 'HEAD') await feed(stream, events);
    } catch (error) {
      // The client sees the end of the stream and resumes by itself.
      this.logger.warn({ err: error }, 'a stream of twin changes ended early');
    } finally {
      stream.close();
      events.end();
      this.#open.delete(stream);
    }
  }
}

async function feed(stream: OpenTwinStream, events: ServerSentEvents): Promise<void> {
  for await (const notice of stream.notices) {
    const name = notice.kind === 'change' ? 'twin' : notice.kind;
    // Telemetry stands in no feed, so there is nothing to resume after.
    const id = notice.kind === 'telemetry' ? null : notice.cursor;
    if (!(await events.send({ name, id, data: dataOf(notice) }))) return;
  }
}

function dataOf(notice: TwinNotice): string {
  if (notice.kind === 'gap') return JSON.stringify(notice.document);
  if (notice.kind === 'telemetry') {
    const { id, telemetry } = notice.document;
    return JSON.stringify({ id, telemetry });
  }
  const { document, sections, tsMs } = notice.entry.change;
  // The document is JSON text already; what the change says is put behind its members.
  return `${document.slice(0, -1)},"change":${JSON.stringify({ sections, ts: tsMs })}}`;
}

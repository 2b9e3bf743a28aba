import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { ApiModule, type ApiModuleOptions } from './api-module.ts';
import { GRAPHQL_PATH } from './graphql/graphql-module.ts';
import { WebSocketLimits } from './graphql/web-socket-limits.ts';
import { Authenticator, rememberCaller } from './http/authentication.ts';
import { problemFromError } from './http/problem-from-error.ts';
import { ProblemFilter, sendProblem } from './http/problem-filter.ts';
import { SchemaPipe } from './http/schema-pipe.ts';
import { acceptJsonBodies } from './http/json-body.ts';
import { measureRequests } from './http/request-metrics.ts';
import { serveReference } from './reference-page.ts';

/** An operation id holds a device id and a key of 128 characters each, and more. */
const PATH_PARAMETER_LENGTH_MAX = 1_024;
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Nest sets its error handler after GraphQL's plugin has made Fastify settle what its routes use, so ours is there
 * first.
 */
class ProblemAdapter extends FastifyAdapter {
  override setErrorHandler() {
    return this.getInstance();
  }
}

/** The whole API, ready to listen or to be asked by `inject`. */
export async function createApiApplication(options: ApiModuleOptions): Promise<NestFastifyApplication> {
  const adapter = new ProblemAdapter({
    bodyLimit: options.options.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: PATH_PARAMETER_LENGTH_MAX },
    forceCloseConnections: true,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(request, reply, {
        problem: problemFromError(error),
        logger: options.logger,
      }),
    clientErrorHandler: refuseBrokenRequest,
  });
  const authenticator = new Authenticator(options.ports.registry, options.options.adminApiKey);
  const webSockets = new WebSocketLimits({
    initTimeoutMs: options.options.webSocketInitTimeoutMs,
    socketsMax: options.options.streamsMax,
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    ApiModule.register({ ...options, authenticator, webSockets }),
    adapter,
    {
      bodyParser: false,
      logger: false,
      abortOnError: false,
      forceCloseConnections: true,
    },
  );
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  fastify.setErrorHandler((error, request, reply) =>
    sendProblem(request, reply, { problem: problemFromError(error), logger: options.logger }),
  );
  fastify.addHook('onRequest', async (_request, reply) => {
    void reply.header('x-content-type-options', 'nosniff');
  });
  acceptJsonBodies(fastify);
  measureRequests(fastify, options.metrics);
  authenticateRequests(fastify, authenticator);
  app.useGlobalPipes(new SchemaPipe());
  app.useGlobalFilters(new ProblemFilter(options.logger));
  serveReference(app);
  await app.init();
  return app;
}

/**
 * Before a body is read: strangers cannot make us parse anything. What counts is the route that was found, never the
 * text of the path, which can be written in many ways.
 */
function authenticateRequests(fastify: FastifyInstance, authenticator: Authenticator): void {
  fastify.addHook('onRequest', async (request) => {
    const route = request.routeOptions.url ?? '';
    // A WebSocket brings its key in its first message and is answered nothing before that. Whoever only claims to be
    // one
    // comes no further than the GraphQL context, which wants a caller too.
    const isGraphql = route === GRAPHQL_PATH && request.headers.upgrade === undefined;
    if (!isGraphql && !route.startsWith('/api/v1/')) return;
    rememberCaller(request, await authenticator.authenticate(request.headers.authorization));
  });
}

/** What is no HTTP at all, or has headers beyond the limit, never reaches a route. */
function refuseBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const body = JSON.stringify({
    type: '/api/errors/REQUEST_INVALID',
    title: 'The request cannot be used',
    status: Number.parseInt(status, 10),
    detail: 'this is no HTTP request that can be read',
    instance: '',
    code: 'REQUEST_INVALID',
    traceId: '',
  });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Logger } from '@breakwater/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { problemFromError } from './problem-from-error.ts';
import { problemBody, type Problem } from './problem.ts';
import { traceOf } from './trace.ts';

/** The one way from an error to an HTTP answer: Nest's, Fastify's and our own errors end here. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  catch(error: unknown, host: ArgumentsHost): unknown {
    // GraphQL has its own shape of errors; there the driver's formatter is the edge.
    if (host.getType<string>() === 'graphql') throw error;
    const http = host.switchToHttp();
    sendProblem(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), {
      problem: problemFromError(error),
      logger: this.#logger,
    });
    return undefined;
  }
}

export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: { readonly problem: Problem; readonly logger: Logger },
): void {
  const { problem, logger } = answer;
  const { traceId } = traceOf(request);
  if (problem.status >= 500) {
    const fields = { err: problem.cause ?? problem, code: problem.code, traceId, method: request.method };
    if (problem.code === 'INTERNAL') logger.error(fields, 'a request failed');
    else logger.warn(fields, 'a request was not served');
  }
  if (reply.sent) return;
  void reply
    .status(problem.status)
    .headers(problem.headers)
    .type('application/problem+json; charset=utf-8')
    .serializer((payload) => payload as string)
    .send(JSON.stringify(problemBody(problem, { instance: pathOf(request), traceId })));
}

function pathOf(request: FastifyRequest): string {
  const query = request.url.indexOf('?');
  return query === -1 ? request.url : request.url.slice(0, query);
}

import { GraphQLModule } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import type { DynamicModule } from '@nestjs/common';
import type { Logger } from '@breakwater/observability';
import type { FastifyRequest } from 'fastify';
import { GraphQLError, Kind, type DocumentNode, type ExecutionResult } from 'graphql';

import { callerOf, type Authenticator } from '../http/authentication.ts';
import { problemFromError } from '../http/problem-from-error.ts';
import { Problem } from '../http/problem.ts';
import { newTrace, traceOf } from '../http/trace.ts';
import { QueryCost } from './query-cost.ts';
import type { GraphqlContext } from './request-context.ts';
import { SCHEMA_TEXT } from './schema-text.ts';
import type { WebSocketLimits } from './web-socket-limits.ts';

export const GRAPHQL_PATH = '/graphql';
const ERRORS_MAX = 20;

export interface GraphqlOptions {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly depthMax: number;
  readonly costMax: number;
  readonly webSockets: WebSocketLimits;
}

/** GraphQL over HTTP and over WebSocket (`graphql-transport-ws`). Nobody gets as far as the schema without a key. */
export function graphqlModule(options: GraphqlOptions): DynamicModule {
  const config: MercuriusDriverConfig = {
    driver: MercuriusDriver,
    path: GRAPHQL_PATH,
    typeDefs: SCHEMA_TEXT,
    graphiql: false,
    // A batch would multiply every other limit.
    allowBatchedQueries: false,
    queryDepth: options.depthMax,
    context: (request: FastifyRequest): GraphqlContext => ({
      caller: callerOf(request),
      trace: traceOf(request),
      cost: new QueryCost(options.costMax),
    }),
    subscription: {
      wsDefaultSubprotocol: 'graphql-transport-ws',
      verifyClient: options.webSockets.verifyClient.bind(options.webSockets),
      context: (_socket: unknown, request: FastifyRequest) => {
        options.webSockets.initialised(request.raw.socket);
        return {};
      },
      onConnect: (message: { payload?: unknown }) => connect(message.payload, options),
    },
    hooks: { preExecution: refuseSubscription },
    errorFormatter: (result) => ({ statusCode: statusOf(result), response: formatErrors(result, options.logger) }),
  } as MercuriusDriverConfig;
  return GraphQLModule.forRoot<MercuriusDriverConfig>(config);
}

/** The key comes in the payload of the connection init, because a browser cannot set headers on a WebSocket. */
async function connect(payload: unknown, options: GraphqlOptions): Promise<GraphqlContext | false> {
  const { authorization, Authorization } = (payload ?? {}) as Record<string, unknown>;
  const header = authorization ?? Authorization;
  try {
    const caller = await options.authenticator.authenticate(typeof header === 'string' ? header : undefined);
    return { caller, trace: newTrace(), cost: new QueryCost(options.costMax) };
  } catch (error) {
    if (problemFromError(error).code !== 'UNAUTHENTICATED')
      options.logger.warn({ err: error }, 'no GraphQL connection');
    return false;
  }
}

/** A query that was never run is the request's fault; once it ran, its errors stand in the answer. */
function statusOf(result: ExecutionResult): number {
  if (result.data !== undefined && result.data !== null) return 200;
  return result.errors?.every((error) => error.path === undefined) === true ? 400 : 200;
}

function formatErrors(result: ExecutionResult, logger: Logger): ExecutionResult {
  if (result.errors === undefined) return result;
  const errors = result.errors.flatMap(unfold).map((error) => formatError(error, logger));
  return { ...result, data: result.data ?? null, errors };
}

/** The plugin puts everything that is wrong with a query into one error that says nothing. */
function unfold(error: GraphQLError): readonly GraphQLError[] {
  const { originalError } = error;
  const hasParts = originalError !== null && originalError !== undefined && 'errors' in originalError;
  const parts = hasParts && Array.isArray(originalError.errors) ? (originalError.errors as unknown[]) : [];
  const known = parts.filter((part): part is GraphQLError => part instanceof Error).slice(0, ERRORS_MAX);
  return known.length > 0 ? known : [error];
}

/**
 * Our own problems keep their code. What happened outside of any field is the query's fault, and GraphQL's to say; what
 * else happened in a field says nothing.
 */
function formatError(error: GraphQLError, logger: Logger): GraphQLError {
  const { originalError } = error;
  const place = {
    ...(error.nodes === undefined ? {} : { nodes: error.nodes }),
    ...(error.path === undefined ? {} : { path: error.path }),
  };
  const isOfQuery = error.path === undefined || originalError === undefined || originalError === null;
  if (isOfQuery && !(originalError instanceof Problem)) {
    return new GraphQLError(error.message, { ...place, extensions: { code: 'REQUEST_INVALID' } });
  }
  const problem = problemFromError(originalError);
  if (problem.status >= 500)
    logger.warn({ err: problem.cause ?? problem, code: problem.code }, 'a GraphQL field failed');
  return new GraphQLError(problem.message, { ...place, extensions: { ...problem.members, code: problem.code } });
}

/** Over HTTP a subscription would answer once, with nothing. */
function refuseSubscription(_schema: unknown, document: DocumentNode): void {
  const isSubscription = document.definitions.some(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION && definition.operation === 'subscription',
  );
  if (isSubscription) throw new Problem('REQUEST_INVALID', 'subscriptions run over WebSocket (graphql-transport-ws)');
}

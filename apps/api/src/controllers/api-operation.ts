import { applyDecorators, HttpCode } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';

import { openApiSchema } from '../open-api-schema.ts';
import { problem } from '../schemas/problem-schema.ts';

export interface OperationDescription {
  readonly summary: string;
  readonly description?: string;
  readonly success: { readonly status: number; readonly description: string; readonly schema?: z.ZodType };
  /** Status codes of problems beside those that every route can have. */
  readonly problems?: readonly number[];
  readonly isPublic?: boolean;
}

const REASONS: Readonly<Record<number, string>> = {
  304: 'The client has this version.',
  400: 'Something in the request cannot be used.',
  401: 'A valid API key is needed.',
  403: 'This key may not do that.',
  404: 'There is no such thing in this tenant.',
  409: 'It exists already, or its state or that of its gateway device does not allow it.',
  412: 'The twin has another version.',
  413: 'The body is too large.',
  415: 'The content type cannot be used.',
  422: 'It cannot be applied.',
  429: 'Too much of it waits already.',
  503: 'Not now: `code` says why, and whether something was done. Try again after `Retry-After`.',
  504: 'The write is durable and will be applied; see `operationId` and `Location`.',
};

/** Documents one route: what it does, what it answers, and every problem that it can have. */
export function describeOperation(description: OperationDescription): MethodDecorator {
  const { success } = description;
  const always = description.isPublic === true ? [] : [401, 503];
  const problems = [...new Set([400, ...always, ...(description.problems ?? [])])].sort((a, b) => a - b);
  return applyDecorators(
    HttpCode(success.status),
    ...(description.isPublic === true ? [] : [ApiBearerAuth('apiKey')]),
    ApiOperation({
      summary: description.summary,
      ...(description.description === undefined ? {} : { description: description.description }),
    }),
    ApiResponse({
      status: success.status,
      description: success.description,
      ...(success.schema === undefined
        ? {}
        : { content: { 'application/json': { schema: openApiSchema(success.schema) } } }),
    }),
    ...problems.map((status) =>
      ApiResponse({
        status,
        description: REASONS[status] ?? 'A problem.',
        ...(status === 304 ? {} : { content: { 'application/problem+json': { schema: openApiSchema(problem) } } }),
      }),
    ),
  );
}

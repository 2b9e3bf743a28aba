import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import type { z } from 'zod';

import { Problem, type ProblemPlace } from './problem.ts';

const PLACES_MAX = 20;

/**
 * Validates whatever a parameter decorator carries a zod schema for. Nest's own pipe first deletes keys such as
 * `constructor` from the value, which would lose parts of a patch without a word; the JSON parser already refused what
 * is dangerous, so here nothing is taken away.
 */
@Injectable()
export class SchemaPipe implements PipeTransform {
  transform(value: unknown, metadata: ArgumentMetadata): unknown {
    const { schema } = metadata as ArgumentMetadata & { schema?: z.ZodType };
    if (schema === undefined) return value;
    const result = schema.safeParse(value ?? {});
    if (result.success) return result.data;
    throw new Problem('REQUEST_INVALID', 'the request cannot be used; `errors` names each place', {
      errors: placesOf(result.error, prefixOf(metadata.type)),
    });
  }
}

export function placesOf(error: z.ZodError, prefix: string): ProblemPlace[] {
  return error.issues.slice(0, PLACES_MAX).map((issue) => ({
    pointer: prefix + issue.path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
    detail: issue.message,
  }));
}

function prefixOf(type: ArgumentMetadata['type']): string {
  if (type === 'query') return '#query';
  return type === 'param' ? '#path' : '';
}

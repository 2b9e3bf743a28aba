import type { FastifyRequest } from 'fastify';

import { isOperationKey } from '../operation-id.ts';
import { Problem } from './problem.ts';

/** @throws Problem REQUEST_INVALID */
export function idempotencyKeyOf(request: FastifyRequest): string | null {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return null;
  if (typeof header === 'string' && isOperationKey(header)) return header;
  throw new Problem('REQUEST_INVALID', 'Idempotency-Key takes 1 to 128 visible ASCII characters', {
    errors: [{ pointer: '#header/Idempotency-Key', detail: '1 to 128 visible ASCII characters' }],
  });
}

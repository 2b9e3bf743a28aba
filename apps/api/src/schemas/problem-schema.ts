import { z } from 'zod';

export const problem = z
  .looseObject({
    type: z.string().meta({ description: 'Page of this code.', example: '/api/errors/NOT_FOUND' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().meta({ description: 'The contract: one of the codes of docs/errors.md.', example: 'NOT_FOUND' }),
    traceId: z.string(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' });

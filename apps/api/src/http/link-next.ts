import type { FastifyReply, FastifyRequest } from 'fastify';

/** `Link: <…>; rel="next"` (RFC 8288) with the same query and the next cursor. */
export function linkNext(request: FastifyRequest, reply: FastifyReply, nextCursor: string | null): void {
  if (nextCursor === null) return;
  const [path, query] = request.url.split('?', 2) as [string, string | undefined];
  const parameters = new URLSearchParams(query ?? '');
  parameters.set('cursor', nextCursor);
  void reply.header('link', `<${path}?${parameters.toString()}>; rel="next"`);
}

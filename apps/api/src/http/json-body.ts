import type { FastifyInstance } from 'fastify';

const JSON_TYPES = ['application/json', 'application/merge-patch+json'];

/** PEM comes out of other tools as it is, and would need a tool to become JSON: it stands for `{"pem": …}`. */
const PEM_TYPE = 'application/x-pem-file';

/**
 * JSON is the only body that is taken, and PEM in place of it. A key `__proto__`, or `constructor` with a `prototype`
 * inside, is refused with 400: no honest client sends it, and it must not depend on each later step that it does no
 * harm.
 */
export function acceptJsonBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser(JSON_TYPES, { parseAs: 'string' }, (request, body, done) => {
    // Many clients name a type without sending anything, for example on POST …/token.
    if (body === '') done(null, undefined);
    else void parseJson(request, body as string, done);
  });
  fastify.addContentTypeParser(PEM_TYPE, { parseAs: 'string' }, (_request, body, done) => done(null, { pem: body }));
}

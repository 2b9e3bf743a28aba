import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';

export interface Trace {
  readonly traceId: string;
  /** W3C traceparent for the records that this request appends. */
  readonly traceparent: string;
}

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

const traces = new WeakMap<FastifyRequest, Trace>();

/** The trace that the request belongs to: the caller's when it names one, otherwise a new one. */
export function traceOf(request: FastifyRequest): Trace {
  let trace = traces.get(request);
  if (trace === undefined) {
    trace = newTrace(request.headers.traceparent);
    traces.set(request, trace);
  }
  return trace;
}

export function newTrace(header?: string | string[]): Trace {
  const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null;
  const traceId = match?.[1] ?? randomBytes(16).toString('hex');
  return { traceId, traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-${match?.[2] ?? '00'}` };
}

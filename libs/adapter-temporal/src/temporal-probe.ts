import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';

import { DESCRIBE_NAMESPACE_PATH, encodeNamespaceQuestion } from './namespace-question.ts';

const TIMEOUT_MS = 2_000;
const GRPC_OK = '0';
const GRPC_NOT_FOUND = '5';

export interface TemporalProbeOptions {
  /** `host:port` of the frontend. */
  readonly address: string;
  readonly namespace: string;
  readonly tls: boolean;
  readonly timeoutMs?: number;
}

/**
 * Asks Temporal whether workflows of our namespace can be served: the frontend must answer, and the namespace must be
 * in its store. Each question is a connection of its own, bounded in time, so that nothing is held while Temporal is
 * away, and a frontend that hangs is found out like one that is gone.
 *
 * It is one message of gRPC, written by hand: parts that run no workflow, such as the gateway, would otherwise load the
 * whole client of Temporal for this one question.
 */
export class TemporalProbe {
  readonly #options: Required<TemporalProbeOptions>;

  constructor(options: TemporalProbeOptions) {
    this.#options = { timeoutMs: TIMEOUT_MS, ...options };
  }

  /** What keeps workflows from being served, in words for an operator; null when nothing does. Never rejects. */
  async trouble(): Promise<string | null> {
    const { address, tls, timeoutMs } = this.#options;
    const answer = Promise.withResolvers<string | null>();
    const timer = setTimeout(() => answer.resolve(`no answer within ${timeoutMs} ms`), timeoutMs);
    let session: ClientHttp2Session | undefined;
    try {
      session = connect(`${tls ? 'https' : 'http'}://${address}`);
      session.on('error', (error) => answer.resolve(troubleOfError(error)));
      session.on('close', () => answer.resolve('the connection was closed'));
      this.#ask(session, (trouble) => answer.resolve(trouble));
      return await answer.promise;
    } catch (error) {
      return troubleOfError(error);
    } finally {
      clearTimeout(timer);
      session?.destroy();
    }
  }

  #ask(session: ClientHttp2Session, finish: (trouble: string | null) => void): void {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: DESCRIBE_NAMESPACE_PATH,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    });
    stream.on('error', (error) => finish(troubleOfError(error)));
    // An error without a body comes in the headers, everything else in the trailers.
    stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) finish(this.#troubleOfStatus(headers));
      else if (headers[':status'] !== 200) finish('what answers is not Temporal');
    });
    stream.on('trailers', (headers) => finish(this.#troubleOfStatus(headers)));
    stream.on('end', () => finish('what answers is not Temporal'));
    stream.resume();
    stream.end(encodeNamespaceQuestion(this.#options.namespace));
  }

  #troubleOfStatus(headers: IncomingHttpHeaders): string | null {
    const status = String(headers['grpc-status'] ?? '');
    if (status === GRPC_OK) return null;
    if (status === GRPC_NOT_FOUND) return `it has no namespace ${this.#options.namespace}`;
    return `it answers with gRPC status ${status}`;
  }
}

/** Codes only: addresses and the like are not for everyone who may ask whether we are ready. */
function troubleOfError(error: unknown): string {
  // A stream only says that it was cancelled, and has what became of its connection as its cause.
  const code = codeOf(fieldOf(error, 'cause')) ?? codeOf(error);
  return `it cannot be reached (${code ?? 'unknown error'})`;
}

function codeOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** By field: an error of another realm is no `Error` of this one. */
function fieldOf(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
}

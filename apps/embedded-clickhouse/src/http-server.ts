import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Logger, Metrics } from '@breakwater/observability';

import { ClickHouseError, CODES, fromEngine, raise } from './clickhouse-error.ts';
import { type BodyBudget, readBody, sendAnswer } from './http-body.ts';
import { requestParameters, type RequestParameters } from './request-parameters.ts';
import { serverMetrics, type ServerMetrics } from './server-metrics.ts';
import type { RunnerResult, StatementRunner } from './statement-runner.ts';

export interface HttpServerOptions {
  readonly port: number;
  readonly runner: StatementRunner;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly bodyBytesMax: number;
  readonly budget: BodyBudget;
  readonly user: string;
  /** '' lets everybody on this machine in. */
  readonly password: string;
}

const CONNECTIONS_MAX = 512;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 120_000;
const KEEP_ALIVE_TIMEOUT_MS = 10_000;
/** URLs carry statements and settings; Node's own limit of 16 KiB is for headers and URL together. */
const HEADER_BYTES_MAX = 1024 * 1024;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  JSON: 'application/json; charset=UTF-8',
  JSONCompact: 'application/json; charset=UTF-8',
  JSONStrings: 'application/json; charset=UTF-8',
  JSONEachRow: 'application/x-ndjson; charset=UTF-8',
  JSONCompactEachRow: 'application/x-ndjson; charset=UTF-8',
  TabSeparated: 'text/tab-separated-values; charset=UTF-8',
  CSV: 'text/csv; charset=UTF-8; header=absent',
  CSVWithNames: 'text/csv; charset=UTF-8; header=present',
  RowBinary: 'application/octet-stream',
  Native: 'application/octet-stream',
  Parquet: 'application/octet-stream',
};

export interface RunningHttpServer {
  readonly port: number;
  /** Takes no new statement, lets those that are here end, and closes. */
  close(): Promise<void>;
}

/** ClickHouse's HTTP interface on loopback, as far as clients and tools need it. */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const exchange = new HttpExchange(options);
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    (request, response) => void exchange.answer(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

class HttpExchange {
  readonly #options: HttpServerOptions;
  readonly #budget: BodyBudget;
  readonly #measured: ServerMetrics;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#budget = options.budget;
    this.#measured = serverMetrics(options.metrics, options.runner, this.#budget);
  }

  /** Never rejects: whatever happens becomes an answer, or the end of this one connection. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => response.destroy());
    try {
      await this.#route(request, response);
    } catch (error) {
      await this.#refuse(request, response, error);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = parseUrl(request.url ?? '/');
    if (url.pathname === '/ping' || url.pathname === '/replicas_status') return plain(response, 'Ok.\n');
    if (url.pathname === '/health/live') return plain(response, '{"status":"live"}\n', 'application/json');
    if (url.pathname === '/health/ready')
      return plain(response, '{"status":"ready","degraded":[]}\n', 'application/json');
    if (url.pathname === '/metrics') {
      return plain(response, await this.#options.metrics.text(), 'text/plain; version=0.0.4; charset=utf-8');
    }
    if (url.pathname !== '/')
      return plain(response, `There is no handle ${url.pathname.slice(0, 128)}\n`, 'text/plain', 404);
    if (request.method !== 'GET' && request.method !== 'POST') {
      throw raise(CODES.notImplemented, 'Only GET and POST are known here');
    }
    // A page in a browser may send requests to this machine; a tool or a client never sends an Origin.
    if (request.headers.origin !== undefined) throw raise(CODES.authenticationFailed, 'Not for web pages');
    await this.#statement(request, response, url.searchParams);
  }

  async #statement(request: IncomingMessage, response: ServerResponse, search: URLSearchParams): Promise<void> {
    const parameters = requestParameters(search, (name) => headerOf(request, name));
    this.#authenticate(request, parameters);
    const queryId = parameters.queryId ?? randomUUID();
    response.setHeader('x-clickhouse-query-id', queryId);
    const body = await readBody(request, { bodyBytesMax: this.#options.bodyBytesMax, budget: this.#budget });
    const startMs = performance.now();
    let result: RunnerResult | null;
    try {
      result = await this.#options.runner.run(parameters, body, () => response.destroyed);
    } finally {
      this.#budget.giveBack(body.length);
    }
    if (result === null) return;
    this.#measured.statements.inc({ outcome: 'ok' });
    this.#measured.seconds.observe((performance.now() - startMs) / 1_000);
    await sendAnswer(response, {
      status: 200,
      headers: {
        'content-type': CONTENT_TYPES[result.format] ?? 'text/plain; charset=UTF-8',
        'x-clickhouse-format': result.format,
        'x-clickhouse-timezone': 'UTC',
        'x-clickhouse-server-display-name': 'breakwater-embedded',
        'x-clickhouse-summary': summary(result),
      },
      body: result.bytes,
      acceptEncoding: parameters.compressAnswer ? (headerOf(request, 'accept-encoding') ?? '') : '',
    });
  }

  #authenticate(request: IncomingMessage, parameters: RequestParameters): void {
    if (this.#options.password === '') return;
    const basic = /^Basic (.+)$/i.exec(headerOf(request, 'authorization') ?? '')?.[1] ?? '';
    const [user = '', ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':');
    const given = `${parameters.user ?? user}\n${parameters.password ?? rest.join(':')}`;
    const wanted = `${this.#options.user}\n${this.#options.password}`;
    if (!timingSafeEqual(hash(given), hash(wanted))) {
      throw raise(CODES.authenticationFailed, 'Authentication failed: password is incorrect, or there is no such user');
    }
  }

  async #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
    const refused = fromEngine(error);
    this.#measured.statements.inc({ outcome: refused.status >= 500 ? 'failed' : 'refused' });
    this.#options.logger.debug({ code: refused.code, status: refused.status }, refused.message.slice(0, 500));
    if (response.destroyed || response.headersSent) {
      response.destroy();
      return;
    }
    // What was not read of the request must not be taken for the next one.
    if (!request.complete) response.setHeader('connection', 'close');
    await sendAnswer(response, {
      status: refused.status,
      headers: { 'content-type': 'text/plain; charset=UTF-8', 'x-clickhouse-exception-code': String(refused.code) },
      body: Buffer.from(`${refused.message}\n`),
      acceptEncoding: '',
    }).catch(() => response.destroy());
    if (!request.complete) request.resume();
  }
}

function parseUrl(target: string): URL {
  try {
    return new URL(target, 'http://localhost');
  } catch {
    throw new ClickHouseError(36, 400, 'Code: 36. DB::Exception: The URL cannot be read. (BAD_ARGUMENTS)');
  }
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return value === undefined ? null : Array.isArray(value) ? (value[0] ?? null) : value;
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function summary(result: RunnerResult): string {
  return JSON.stringify({
    read_rows: String(result.rowsRead),
    read_bytes: String(result.bytesRead),
    written_rows: String(result.rowsWritten),
    written_bytes: String(result.bytesWritten),
    elapsed_ns: String(Math.round(result.elapsedSeconds * 1e9)),
  });
}

function plain(response: ServerResponse, body: string, contentType = 'text/html; charset=UTF-8', status = 200): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': String(Buffer.byteLength(body)) });
  response.end(body);
}

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Metrics } from './metrics.ts';
import type { Headroom } from './queue-watch.ts';

/** What a part says of itself: ready or not, and which of the things it leans on are away. */
export interface Readiness {
  readonly ready: boolean;
  readonly degraded: readonly { readonly part: string; readonly detail: string }[];
  /** Queues that are half full, and full within the hour as things go. */
  readonly filling?: readonly Headroom[];
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** `/health/live`, `/health/ready` and `/metrics` of a process that serves no other HTTP. */
export async function startHealthServer(options: {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly readiness: () => Readiness | Promise<Readiness>;
}): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(request.url ?? '/', response, options).catch((error: unknown) => {
      send(response, 500, { status: 'error', detail: error instanceof Error ? error.message : String(error) });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  url: string,
  response: ServerResponse,
  options: { readonly metrics: Metrics; readonly readiness: () => Readiness | Promise<Readiness> },
): Promise<void> {
  if (url === '/health/live') return send(response, 200, { status: 'live' });
  if (url === '/metrics') {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(await options.metrics.text());
    return;
  }
  if (url !== '/health/ready') return send(response, 404, { status: 'unknown path' });
  const { ready, ...details } = await options.readiness();
  send(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', ...details });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

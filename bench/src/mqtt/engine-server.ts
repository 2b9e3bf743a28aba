import { createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

import { gatewaySettings, readSettings } from '@breakwater/config';
import {
  createMqttEndpoint,
  type EndpointHost,
  type PublishOutcome,
  type SessionOptions,
  type Transport,
} from '@breakwater/mqtt-endpoint';

const SWEEP_MS = 500;
const END_GRACE_MS = 200;
const TCP_KEEPALIVE_MS = 60_000;
const STORED: PublishOutcome = { kind: 'stored' };

const KEPT_SESSIONS: SessionOptions = {
  store: null,
  expiryMaxMs: 3_600_000,
  detachedMax: 100_000,
  dropPolicy: 'refuseNewest',
  wallNow: Date.now,
};

/** Everybody may come; what they send is "durable" one tick later, as an append that costs nothing would be. */
class InstantHost implements EndpointHost<string> {
  #waiting: ((outcome: PublishOutcome) => void)[] = [];

  authenticate({ clientId }: { clientId: string }) {
    return Promise.resolve({ kind: 'accepted', identity: clientId, sessionKey: clientId } as const);
  }

  sessionOpened(): Promise<void> {
    return Promise.resolve();
  }

  publish(): Promise<PublishOutcome> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) process.nextTick(() => this.#settle());
    });
  }

  maySubscribe(): boolean {
    return true;
  }

  subscribed(): void {
    // Nothing is sent to the clients of this benchmark.
  }

  sessionClosed(): void {
    // Nobody asks.
  }

  #settle(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const settle of waiting) settle(STORED);
  }
}

/** The engine with the gateway's own limits, behind TCP as the gateway has it. */
export function createEngineServer(options: { readonly keepsSessions: boolean }): Server {
  const endpoint = createMqttEndpoint({
    host: new InstantHost(),
    limits: readSettings(gatewaySettings, {}),
    now: () => performance.now(),
    ...(options.keepsSessions && { sessions: KEPT_SESSIONS }),
  });
  setInterval(() => endpoint.sweep(), SWEEP_MS);
  return createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    const transport = new SocketTransport(socket);
    const input = endpoint.accept(transport);
    socket.on('data', (bytes: Buffer) => input.receive(bytes));
    socket.on('drain', () => input.drained());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      transport.closed();
      input.transportClosed();
    });
  });
}

class SocketTransport implements Transport {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  #grace: NodeJS.Timeout | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remoteAddress = socket.remoteAddress ?? '';
  }

  write(bytes: Uint8Array): boolean {
    return !this.#socket.writable || this.#socket.write(bytes);
  }

  bytesQueued(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
    this.#grace ??= setTimeout(() => this.#socket.destroy(), END_GRACE_MS).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  closed(): void {
    if (this.#grace !== null) clearTimeout(this.#grace);
  }
}

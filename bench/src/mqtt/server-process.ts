import type { AddressInfo } from 'node:net';

import { createBareServer } from './bare-server.ts';
import { createEngineServer } from './engine-server.ts';
import { serveCalls } from '../remote-process.ts';

const BACKLOG = 4_096;
const SETTLE_MS = 300;
const COLLECTIONS = 4;

export interface MemoryUse {
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Buffers and what else lives outside the heap. */
  readonly externalBytes: number;
}

const servers = {
  bare: createBareServer,
  engine: () => createEngineServer({ keepsSessions: false }),
  'engine-sessions': () => createEngineServer({ keepsSessions: true }),
} as const;
export type ServerKind = keyof typeof servers;

const server = servers[(process.argv[2] ?? '') as ServerKind]();
let connectionCount = 0;
server.on('connection', (socket) => {
  connectionCount += 1;
  socket.on('close', () => {
    connectionCount -= 1;
  });
});

/** What the benchmark asks of a server. */
const calls = {
  listen: (): Promise<number> =>
    new Promise((resolve) => {
      server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, () => {
        resolve((server.address() as AddressInfo).port);
      });
    }),
  /** CPU of this process in microseconds, user and system. */
  cpuMicros: (): number => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  connections: (): number => connectionCount,
  /** After collecting what is no longer used. */
  memory: async (): Promise<MemoryUse> => {
    for (let round = 0; round < COLLECTIONS; round++) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      globalThis.gc?.();
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { residentBytes: rss, heapBytes: heapUsed, externalBytes: external };
  },
};
export type ServerCalls = typeof calls;

serveCalls(calls);

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Linux gives ports from 32,768 on to whoever connects somewhere, other systems from 49,152 on. A port from there is
 * free in one moment and the near end of a stranger's connection in the next: between the look and the use, or while
 * the process that it was for is started again.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const TRIES_MAX = 500;
/** What was given out and may not be bound yet. */
const GIVEN_MAX = 4_000;
const given = new Set<number>();

/**
 * A port of the loopback interface that nobody listens on, and that this process never got before. It is drawn, so that
 * processes that look at the same time hardly find the same; whoever needs to be sure handles `EADDRINUSE`.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (given.has(port)) continue;
    if (given.size === GIVEN_MAX) given.clear();
    given.add(port);
    if (await canBind(port)) return port;
  }
  throw new Error(`of ${TRIES_MAX} ports drawn between ${PORT_MIN} and ${PORT_MAX}, none is free`);
}

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

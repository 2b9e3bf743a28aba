import { join } from 'node:path';

/** Names the folder of the links to the parts of a platform under test. */
export const LINKS_FOLDER = 'BREAKWATER_FAULT_LINKS';
/** Twin-workers that a platform under test may have at once, each with a link of its own. */
export const WORKER_SLOTS = 2;
/** Parts that speak to Redis. */
export const REDIS_CLIENTS = [
  'gateway',
  'api',
  'telemetry-writer',
  'worker',
  ...Array.from({ length: WORKER_SLOTS }, (_, slot) => `twin-worker-${slot + 1}`),
] as const;

/** Where the link of a part to Redis listens. */
export function redisLinkOf(folder: string, part: string): string {
  return join(folder, `redis-${part}.sock`);
}

import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

import type { Logger } from '@breakwater/observability';

/** What the engine calls the threads that merge parts, as many as `background_pool_size` says. */
const THREAD_NAME = 'MergeMutate';
const TASKS = '/proc/self/task';
/** The engine makes them with its first table, which is there at once or after the first migration. */
const LOOK_EVERY_MS = 1_000;

/**
 * Lets merges stand back behind inserts. The engine gives both the same share of the processor; on a full machine a
 * merge of a day's large parts then makes every insert wait for seconds, while parts can wait. Linux alone has a nice
 * value for each thread; elsewhere merges keep that of the process. Answers how to stop looking for the threads.
 */
export function holdBackMerges(niceness: number, logger: Logger): () => void {
  const look = (): void => {
    const threads = mergeThreads();
    if (threads.length === 0) return;
    clearInterval(looking);
    try {
      for (const thread of threads) setPriority(thread, niceness);
      logger.info({ threads: threads.length, niceness }, 'merges stand back behind inserts');
    } catch (error) {
      logger.warn({ err: error, niceness }, 'merges keep the nice value of the process');
    }
  };
  const looking = setInterval(look, LOOK_EVERY_MS);
  looking.unref();
  look();
  return () => clearInterval(looking);
}

function mergeThreads(): readonly number[] {
  try {
    return readdirSync(TASKS).filter(isMergeThread).map(Number);
  } catch {
    return [];
  }
}

function isMergeThread(thread: string): boolean {
  try {
    return readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trim() === THREAD_NAME;
  } catch {
    // It ended since the list was read.
    return false;
  }
}

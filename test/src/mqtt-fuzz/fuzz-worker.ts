import { setFlagsFromString, getHeapStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';

import { EngineUnderFuzz } from './engine-under-fuzz.ts';
import { fuzzCase } from './fuzz-case.ts';
import type { FuzzOrder, FuzzSummary } from './run-fuzz.ts';
import { plantBug } from './planted-bugs.ts';
import { readRecordings } from './recordings.ts';

/** The thread that `runFuzz` starts. It says in shared memory which case it is at, so that a hang is found. */
const { order, progress } = workerData as { order: FuzzOrder; progress: Int32Array<SharedArrayBuffer> };
const LOGIN = { clientId: 'fuzz', username: 'fuzz' };
/** Caches and compiled code grow in the first part of a run; what is kept is measured from here on. */
const WARM_UP_SHARE = 0.25;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const recordings = readRecordings();
const engine = new EngineUnderFuzz(order.seed, order.bug === null ? undefined : plantBug(order.bug));
let packets = 0;
let number = order.firstCase;
let warmBytes: number | null = null;
while (packets < order.packets) {
  Atomics.store(progress, 0, number);
  const attack = fuzzCase(recordings, order.seed, number, LOGIN);
  await engine.run(attack);
  packets += attack.attack.length;
  number += 1;
  if (warmBytes === null && packets > order.packets * WARM_UP_SHARE) warmBytes = heldBytes();
}
await engine.end();
const summary: FuzzSummary = {
  packets,
  cases: number - order.firstCase,
  heapGrowthBytes: heldBytes() - (warmBytes ?? 0),
};
parentPort?.postMessage(summary);

/** Of this thread, in and beside the heap, without garbage. */
function heldBytes(): number {
  for (let round = 0; round < 3; round += 1) collect();
  const { used_heap_size: used, external_memory: external } = getHeapStatistics();
  return used + external;
}

import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { fuzzCase } from './fuzz-case.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { readRecordings } from './recordings.ts';

export interface FuzzOrder {
  readonly seed: number;
  /** Packets of attacks, at least. */
  readonly packets: number;
  readonly firstCase: number;
  readonly bug: PlantedBug | null;
  /** A case that takes longer than this has no end. */
  readonly hangMs: number;
}

export interface FuzzSummary {
  readonly packets: number;
  readonly cases: number;
  /** What is kept at the end and was not after the first quarter. */
  readonly heapGrowthBytes: number;
}

/** Null when all went well; else what to repeat it with. */
export type FuzzComplaint = string | null;

/** A leak of a few bytes for each connection of a long run is over this; the noise of a collector is not. */
const HEAP_GROWTH_BYTES_MAX = 6 * 1024 * 1024;
/** No case takes more than some ms; a machine that does much else is not taken for a hang. */
export const HANG_MS = 30_000;
const POLL_MS = 500;
const HEX_BYTES_SHOWN_MAX = 2_048;
// The thread runs what was built, whoever asks for it.
const WORKER = fileURLToPath(new URL('../../dist/mqtt-fuzz/fuzz-worker.js', import.meta.url));

/** Runs attacks against the engine in a thread of their own: one that throws, hangs or grows is a complaint here. */
export async function runFuzz(order: FuzzOrder): Promise<{ summary: FuzzSummary | null; complaint: FuzzComplaint }> {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(WORKER, { workerData: { order, progress } });
  const summary = await new Promise<FuzzSummary | string>((resolve) => {
    let last = -1;
    let quietMs = 0;
    const watch = setInterval(() => {
      const at = Atomics.load(progress, 0);
      quietMs = at === last ? quietMs + POLL_MS : 0;
      last = at;
      if (quietMs >= order.hangMs) resolve(`no end after ${order.hangMs} ms`);
    }, POLL_MS);
    worker.once('message', resolve);
    worker.once('error', (error: Error) => resolve(error.stack ?? error.message));
    worker.once('exit', () => {
      clearInterval(watch);
      resolve('the thread ended without a word');
    });
  });
  await worker.terminate();
  if (typeof summary === 'string') return { summary: null, complaint: complaintOf(order, progress, summary) };
  const grown = summary.heapGrowthBytes > HEAP_GROWTH_BYTES_MAX;
  const growth = `the heap grew by ${summary.heapGrowthBytes} bytes in ${summary.packets} packets (seed ${order.seed})`;
  return { summary, complaint: grown ? growth : null };
}

function complaintOf(order: FuzzOrder, progress: Int32Array, what: string): string {
  const number = Atomics.load(progress, 0);
  const attack = fuzzCase(readRecordings(), order.seed, number, { clientId: 'fuzz', username: 'fuzz' });
  const hex = (packets: readonly Buffer[]): string => {
    const bytes = Buffer.concat(packets);
    const shown = bytes.subarray(0, HEX_BYTES_SHOWN_MAX).toString('hex');
    return bytes.length > HEX_BYTES_SHOWN_MAX ? `${shown}… (${bytes.length} bytes)` : shown;
  };
  return [
    what,
    `repeat it with: npm run mqtt:fuzz -- --seed ${order.seed} --first ${order.firstCase}`,
    `case ${number}, MQTT ${attack.version}, pieces of ${attack.pieces.join(', ')}`,
    `opening ${hex(attack.opening)}`,
    `attack  ${hex(attack.attack)}`,
  ].join('\n');
}

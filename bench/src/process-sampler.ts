import { readFileSync } from 'node:fs';

/** Linux counts CPU time of a process in ticks of 10 ms. */
const TICKS_PER_SECOND = 100;
const SAMPLE_EVERY_MS = 500;
const BYTES_PER_KB = 1024;

export interface ProcessUsage {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

interface Watched {
  pid: number;
  startTicks: number;
  lastTicks: number;
  /** CPU of earlier lives of a part that was restarted. */
  endedTicks: number;
  peakBytes: number;
}

/** CPU and memory of named processes while a benchmark runs, read from /proc. Parts share names: they are added up. */
export class ProcessSampler {
  readonly #watched = new Map<string, Watched>();
  readonly #timer: NodeJS.Timeout;
  readonly #pids: () => ReadonlyMap<string, number>;

  /** @param pids asked at each sample, so that restarted parts are followed. */
  constructor(pids: () => ReadonlyMap<string, number>) {
    this.#pids = pids;
    this.sample();
    this.#timer = setInterval(() => this.sample(), SAMPLE_EVERY_MS);
  }

  sample(): void {
    for (const [name, pid] of this.#pids()) {
      const ticks = cpuTicks(pid);
      if (ticks === null) continue;
      const known = this.#watched.get(name);
      if (known === undefined) {
        this.#watched.set(name, {
          pid,
          startTicks: ticks,
          lastTicks: ticks,
          endedTicks: 0,
          peakBytes: residentBytes(pid),
        });
        continue;
      }
      if (known.pid !== pid) {
        known.endedTicks += known.lastTicks - known.startTicks;
        known.pid = pid;
        known.startTicks = 0;
      }
      known.lastTicks = ticks;
      known.peakBytes = Math.max(known.peakBytes, residentBytes(pid));
    }
  }

  stop(): readonly ProcessUsage[] {
    clearInterval(this.#timer);
    this.sample();
    return [...this.#watched].map(([name, seen]) => ({
      name,
      cpuSeconds: (seen.endedTicks + seen.lastTicks - seen.startTicks) / TICKS_PER_SECOND,
      peakBytes: seen.peakBytes,
    }));
  }
}

function cpuTicks(pid: number): number | null {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The command may hold spaces; the fields are counted from the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentBytes(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readProc(`/proc/${pid}/status`) ?? '');
  return match === null ? 0 : Number(match[1]) * BYTES_PER_KB;
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended, or this is no Linux: there is nothing to count.
    return null;
  }
}

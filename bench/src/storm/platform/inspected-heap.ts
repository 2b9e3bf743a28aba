import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Installation } from '../../installation.ts';

/** Node opens its inspector on SIGUSR1; this makes it take a free port, and does nothing before the signal. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=127.0.0.1:0' } as const;

const LISTENING = /Debugger listening on (ws:\/\/\S+)/g;
const OPEN_TIMEOUT_MS = 20_000;
const CALL_TIMEOUT_MS = 60_000;
const POLL_MS = 100;
/** One collection frees what the next one finds unreachable through it. */
const COLLECTIONS = 3;

export interface HeapUse {
  readonly heapBytes: number;
  readonly residentBytes: number;
}

/** What a part's heap holds after everything unused was collected, and its resident memory then. */
export async function heapAfterCollection(installation: Installation, part: string): Promise<HeapUse> {
  const pid = (await installation.parts()).get(part)?.pid;
  if (pid === undefined) throw new Error(`run.json names no part ${part}`);
  const inspector = await Inspector.open(await inspectorUrl(installation, part, pid));
  try {
    for (let round = 0; round < COLLECTIONS; round += 1) await inspector.call('HeapProfiler.collectGarbage');
    const { usedSize } = (await inspector.call('Runtime.getHeapUsage')) as { usedSize: number };
    return { heapBytes: usedSize, residentBytes: await residentBytesOf(pid) };
  } finally {
    inspector.close();
  }
}

/** The inspector stays open after its first use; its address stands in the log of the part. */
async function inspectorUrl(installation: Installation, part: string, pid: number): Promise<string> {
  const path = join(installation.dataDir, 'logs', `${part}.log`);
  const endMs = Date.now() + OPEN_TIMEOUT_MS;
  for (let isAsked = false; Date.now() < endMs; isAsked = true) {
    const url = [...(await readFile(path, 'utf8').catch(() => '')).matchAll(LISTENING)].at(-1)?.[1];
    if (url !== undefined) return url;
    if (!isAsked) process.kill(pid, 'SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${part} did not open its inspector: ${path}`);
}

async function residentBytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** As much of the inspector's protocol as two questions need. */
class Inspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', () => reject(new Error(`the inspector at ${url} cannot be reached`)), {
        once: true,
      });
    });
    return new Inspector(socket);
  }

  call(method: string): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
      signal.addEventListener('abort', () => reject(new Error(`the inspector did not answer ${method}`)));
      const heard = ({ data }: MessageEvent): void => {
        const answer = JSON.parse(String(data)) as { id?: number; result?: unknown };
        if (answer.id !== id) return;
        this.#socket.removeEventListener('message', heard);
        resolve(answer.result);
      };
      this.#socket.addEventListener('message', heard);
      this.#socket.send(JSON.stringify({ id, method }));
    });
  }

  close(): void {
    this.#socket.close();
  }
}

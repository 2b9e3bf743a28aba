import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { LoadProgress } from './load-generator.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';

export interface LoadResult {
  readonly progress: LoadProgress;
  readonly unacknowledged: number;
  readonly acknowledged: ReadonlyMap<string, readonly number[]>;
}

export interface LoadListener {
  started(pid: number): void;
  connected(): void;
  progress(progress: LoadProgress): void;
}

/** Runs a load in a process of its own and answers what it sent and what was acknowledged to it. */
export function runLoad(order: LoadOrder, listener: LoadListener): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('../dist/load-process.js', import.meta.url)), {
      serialization: 'advanced',
    });
    if (child.pid !== undefined) listener.started(child.pid);
    child.on('message', (message) => {
      const report = message as LoadReport;
      if (report.kind === 'connected') listener.connected();
      else if (report.kind === 'progress') listener.progress(report.progress);
      else if (report.kind === 'failed') reject(new Error(`the load generator failed: ${report.message}`));
      else {
        const { progress, unacknowledged } = report;
        resolve({ progress, unacknowledged, acknowledged: new Map(report.acknowledged) });
        child.disconnect();
      }
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the load generator ended with exit code ${String(code)}`)));
    child.send(order);
  });
}

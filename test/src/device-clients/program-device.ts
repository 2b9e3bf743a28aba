import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { CLIENT_TIMEOUT_MS, type DeviceReport, type DeviceSession } from './device-session.ts';

interface StepLine {
  readonly event: string;
  readonly seq?: number;
  readonly interval?: number;
}

/** Runs a client that is a program of its own and says each step in a line of JSON. */
export async function runDeviceProgram(
  command: string,
  args: readonly string[],
  session: DeviceSession,
): Promise<DeviceReport> {
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 2 * CLIENT_TIMEOUT_MS);
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => (complaint += bytes.toString()));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  const report = { lastAcknowledged: 0, interval: Number.NaN };
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const step = JSON.parse(line) as StepLine;
      if (step.event === 'subscribed') await session.subscribed();
      if (step.seq !== undefined) report.lastAcknowledged = step.seq;
      if (step.interval !== undefined) report.interval = step.interval;
    }
    const code = await ended;
    if (code !== 0) throw new Error(`${command} ended with ${String(code)}\n${complaint}`);
    return report;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}

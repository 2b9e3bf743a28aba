import { SettingsInvalid } from '@breakwater/config';

import { ConsoleReport } from './supervise/console-report.ts';
import { StartRefused } from './start-refused.ts';
import { startStandalone } from './start-standalone.ts';

// A closed terminal or pipe must not end the supervisor in the middle of an orderly stop.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const report = new ConsoleReport((text) => process.stdout.write(text));
const standalone = startStandalone(process.env, report);
/** A Ctrl-C under npm arrives twice, from the terminal and from npm, within milliseconds. A person is slower. */
const SAME_REQUEST_MS = 500;
let stopRequestedAt: number | undefined;

async function stop(): Promise<void> {
  const sinceFirstMs = performance.now() - (stopRequestedAt ?? performance.now());
  if (stopRequestedAt !== undefined && sinceFirstMs < SAME_REQUEST_MS) return;
  if (stopRequestedAt !== undefined) {
    report.line('Stopped at once.');
    standalone.kill();
    process.exit(1);
  }
  stopRequestedAt = performance.now();
  report.line('Stopping in order; once more stops at once.');
  await standalone.stop();
  report.line('Stopped.');
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());

try {
  await standalone.started;
} catch (error) {
  const expected = error instanceof StartRefused || error instanceof SettingsInvalid;
  if (!expected) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  else process.stderr.write(`\nBreakwater did not start (${error.code}).\n${error.message}\n`);
  await standalone.stop();
  process.exit(1);
}

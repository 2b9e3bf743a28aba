import { SettingsInvalid } from '@breakwater/config';

import { ConsoleReport } from './console-report.ts';
import { StartRefused } from './start-refused.ts';
import { startStandalone } from './start-standalone.ts';

// A closed terminal or pipe must not end the supervisor in the middle of an orderly stop.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const report = new ConsoleReport((text) => process.stdout.write(text));
const standalone = startStandalone(process.env, report);
let stopsRequested = 0;

async function stop(): Promise<void> {
  stopsRequested += 1;
  if (stopsRequested > 1) {
    report.line('Stopped at once.');
    standalone.kill();
    process.exit(1);
  }
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

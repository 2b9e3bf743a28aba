import { CommanderError } from 'commander';
import { SettingsInvalid } from '@breakwater/config';
import { PlatformError } from '@breakwater/twin-runtime';

import { CliFailure, EXIT } from './cli-failure.ts';
import { cliProgram } from './cli-program.ts';
import { bad, terminal } from './terminal.ts';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
// Whoever reads may end first, as `head` does.
process.stdout.on('error', () => process.exit(EXIT.failed));

const program = cliProgram({
  env: process.env,
  terminal,
  signal: stop.signal,
  onEnd: (exitCode) => (process.exitCode = exitCode),
});
try {
  await program.parseAsync(process.argv);
} catch (error) {
  // It has printed its help, or what is wrong with the command line, already.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT.failed);
  const expected = error instanceof CliFailure || error instanceof PlatformError || error instanceof SettingsInvalid;
  const text = expected ? `${error.code}: ${error.message}` : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${bad(text ?? '')}\n`);
  process.exitCode = EXIT.failed;
}

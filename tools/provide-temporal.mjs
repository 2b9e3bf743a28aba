// Finds the program `temporal`, or obtains it, which can take minutes; with `--find` it only looks. It prints one JSON
// line per event: `obtaining` with the way that is tried, then `found` with path and version, or `missing` with the
// reason. `npm start` runs it beside the platform, setup and CI in the foreground.
import { findTemporal } from './setup/find-temporal.mjs';
import { obtainTemporal } from './setup/obtain-temporal.mjs';
import { SetupRefused } from './setup/run-step.mjs';

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

// Under a supervisor stdin is a pipe: when it closes, nobody waits for this any more, nor for the build that it runs.
if (process.env.BREAKWATER_SUPERVISED === '1') {
  process.stdin.on('end', () => process.kill(-process.pid, 'SIGKILL'));
  process.stdin.on('error', () => process.kill(-process.pid, 'SIGKILL'));
  process.stdin.resume();
}

try {
  const onlyFind = process.argv.includes('--find');
  const onWay = (way) => say({ event: 'obtaining', way });
  const found = findTemporal(process.env) ?? (onlyFind ? undefined : await obtainTemporal(process.env, { onWay }));
  if (found !== undefined) say({ event: 'found', ...found });
  else say({ event: 'missing', reason: 'there is no Temporal CLI on this machine' });
  // A pipe that is still open, or a download that was given up, must not keep it.
  process.exit(0);
} catch (error) {
  if (!(error instanceof SetupRefused)) throw error;
  say({ event: 'missing', reason: error.message });
  process.exit(0);
}

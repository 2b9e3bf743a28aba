import { SetupRefused } from './run-step.mjs';

/**
 * The whole of a script that finds a program that is not ours, or obtains it; with `--find` it only looks. It prints
 * one JSON line per event: `obtaining` with the way that is tried, then `found` with what `find` answers, or
 * `missing` with the reason. `npm start` runs such a script beside the platform, setup and CI in the foreground.
 */
export async function printSearch({ find, obtain, missing }) {
  const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

  // Under a supervisor stdin is a pipe: when it closes, nobody waits for this any more, nor for what it runs.
  if (process.env.BREAKWATER_SUPERVISED === '1') {
    process.stdin.on('end', () => process.kill(-process.pid, 'SIGKILL'));
    process.stdin.on('error', () => process.kill(-process.pid, 'SIGKILL'));
    process.stdin.resume();
  }

  try {
    const onlyFind = process.argv.includes('--find');
    const onWay = (way) => say({ event: 'obtaining', way });
    const found = find(process.env) ?? (onlyFind ? undefined : await obtain(process.env, { onWay }));
    if (found !== undefined) say({ event: 'found', ...found });
    else say({ event: 'missing', reason: missing });
  } catch (error) {
    if (!(error instanceof SetupRefused)) throw error;
    say({ event: 'missing', reason: error.message });
  }
  // A pipe that is still open, or a download that was given up, must not keep it.
  process.exit(0);
}

// Finds the jars of a Kafka broker and a Java that runs them, or obtains them; with `--find` it only looks. It prints
// one JSON line per event: `obtaining` with the way that is tried, then `found` with `java`, `javaVersion`,
// `jarsFolder` and `version`, or `missing` with the reason. `npm start` runs it beside the platform, setup and CI in
// the foreground.
import { findKafka } from './setup/find-kafka.mjs';
import { obtainKafka } from './setup/obtain-kafka.mjs';
import { SetupRefused } from './setup/run-step.mjs';

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
  const found = findKafka(process.env) ?? (onlyFind ? undefined : await obtainKafka(process.env, { onWay }));
  if (found !== undefined) say({ event: 'found', ...found });
  else say({ event: 'missing', reason: 'the jars of Kafka, or a Java that runs them, are not on this machine' });
  process.exit(0);
} catch (error) {
  if (!(error instanceof SetupRefused)) throw error;
  say({ event: 'missing', reason: error.message });
  process.exit(0);
}

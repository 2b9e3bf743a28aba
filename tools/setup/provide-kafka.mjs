import { findKafka } from './find-kafka.mjs';
import { runProgram, SetupRefused } from './run-step.mjs';

/**
 * Says where Kafka's broker is. Without one only CI waits for it: there a test that is skipped is a failure. Else only
 * `EVENT_LOG=kafka npm start` needs it, and obtains it then.
 */
export function provideKafka(rootFolder, env, { inCi }) {
  try {
    const found = findKafka(env) ?? (inCi ? obtained(rootFolder, env) : undefined);
    if (found === undefined) return { detail: 'not here; EVENT_LOG=kafka obtains it' };
    return { detail: `${found.version} on Java ${found.javaVersion}, ${found.jarsFolder}` };
  } catch (error) {
    if (!(error instanceof SetupRefused)) throw error;
    // Everything else can be prepared, run and tested without it.
    return { detail: `missing: ${error.message}` };
  }
}

function obtained(rootFolder, env) {
  const lines = runProgram(process.execPath, ['tools/provide-kafka.mjs'], { cwd: rootFolder, env });
  const last = JSON.parse(lines.trimEnd().split('\n').at(-1));
  if (last.event !== 'found') throw new SetupRefused(last.reason);
  return last;
}

import { runProgram, SetupRefused } from './run-step.mjs';

/**
 * Says where a program is that not everything needs. Without one only CI waits for it, and runs the script that obtains
 * it: there a test that is skipped is a failure.
 */
export function provideSearched({ find, script, shown, absent }, { rootFolder, env, inCi }) {
  try {
    const found = find(env) ?? (inCi ? obtained(script, rootFolder, env) : undefined);
    return { detail: found === undefined ? absent : shown(found) };
  } catch (error) {
    if (!(error instanceof SetupRefused)) throw error;
    // Everything else can be prepared, run and tested without it.
    return { detail: `missing: ${error.message}` };
  }
}

function obtained(script, rootFolder, env) {
  const lines = runProgram(process.execPath, [script], { cwd: rootFolder, env });
  const last = JSON.parse(lines.trimEnd().split('\n').at(-1));
  if (last.event !== 'found') throw new SetupRefused(last.reason);
  return last;
}

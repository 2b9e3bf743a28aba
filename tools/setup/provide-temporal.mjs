import { findTemporal } from './find-temporal.mjs';
import { runProgram, SetupRefused } from './run-step.mjs';

/**
 * Says where Temporal's program is. Without one only CI waits for it: there a test that is skipped is a failure.
 * `npm start` obtains it beside the running platform, because it can take minutes and no event needs it.
 */
export function provideTemporal(rootFolder, env, { inCi }) {
  try {
    const found = findTemporal(env) ?? (inCi ? obtained(rootFolder, env) : undefined);
    if (found === undefined) return { detail: 'not here yet; npm start obtains it meanwhile' };
    return { detail: `server ${found.server}, ${found.path}` };
  } catch (error) {
    if (!(error instanceof SetupRefused)) throw error;
    // Everything else can be prepared, run and tested without it.
    return { detail: `missing: ${error.message}` };
  }
}

function obtained(rootFolder, env) {
  const lines = runProgram(process.execPath, ['tools/provide-temporal.mjs'], { cwd: rootFolder, env });
  const last = JSON.parse(lines.trimEnd().split('\n').at(-1));
  if (last.event !== 'found') throw new SetupRefused(last.reason);
  return last;
}

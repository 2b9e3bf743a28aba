import { HarnessServer } from '../harness-server.ts';
import { providePahoPython } from './outside-programs.ts';
import { runToEnd, suiteFile, type SuiteOutcome } from './suite-programs.ts';

const TIMEOUT_MS = 120_000;
/** Two versions of MQTT with three qualities each. */
const SESSIONS = 6;

/** Runs whole sessions of paho's Python client, which is installed into an environment of its own. */
export async function runPahoPython(): Promise<SuiteOutcome> {
  const python = await providePahoPython();
  const server = new HarnessServer({ port: 0, profile: 'engine' });
  const port = await server.listen();
  try {
    const { output } = await runToEnd(python, [suiteFile('paho-python.py'), String(port)], { timeoutMs: TIMEOUT_MS });
    const passed = output.match(/^pass /gm)?.length ?? 0;
    const failed = passed === SESSIONS ? [] : [`${passed} of ${SESSIONS} sessions passed\n${output}`];
    return { passed, failed };
  } finally {
    await server.close();
  }
}

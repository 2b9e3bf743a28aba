import { join } from 'node:path';

import { HarnessServer } from '../harness-server.ts';
import { missingPrograms, runOrThrow, runToEnd, suiteFile, suiteFolder, type SuiteOutcome } from './suite-programs.ts';

const PACKAGE = 'paho-mqtt==2.2.0';
const TIMEOUT_MS = 120_000;
/** Two versions of MQTT with three qualities each. */
const SESSIONS = 6;

/** Runs whole sessions of paho's Python client, which is installed into an environment of its own. */
export async function runPahoPython(): Promise<SuiteOutcome> {
  const missing = missingPrograms('python3');
  if (missing.length > 0) return { passed: 0, failed: [], missing };
  const environment = join(suiteFolder('paho-python'), 'venv');
  const python = join(environment, 'bin', 'python');
  await runOrThrow('python3', ['-m', 'venv', environment], { timeoutMs: TIMEOUT_MS });
  await runOrThrow(python, ['-m', 'pip', 'install', '--quiet', PACKAGE], { timeoutMs: TIMEOUT_MS });
  const server = new HarnessServer({ port: 0, profile: 'engine' });
  const port = await server.listen();
  try {
    const { output } = await runToEnd(python, [suiteFile('paho-python.py'), String(port)], { timeoutMs: TIMEOUT_MS });
    const passed = output.match(/^pass /gm)?.length ?? 0;
    const failed = passed === SESSIONS ? [] : [`${passed} of ${SESSIONS} sessions passed\n${output}`];
    return { passed, failed, missing };
  } finally {
    await server.close();
  }
}

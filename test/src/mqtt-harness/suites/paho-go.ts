import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { HarnessServer } from '../harness-server.ts';
import { prepare, provideGo } from './outside-programs.ts';
import { runToEnd, suiteFolder, type SuiteOutcome } from './suite-programs.ts';

const PACKAGE = 'github.com/eclipse/paho.mqtt.golang';
const VERSION = 'v1.5.1';
/** The tests have it built in. */
const PORT = 1883;
const TESTS = 119;
const GO_TIMEOUT_MS = 300_000;

/** Runs the tests of the Go client of paho, from its module, against the harness. */
export async function runPahoGo(): Promise<SuiteOutcome> {
  const go = await provideGo();
  const folder = suiteFolder('paho-go');
  const run = { cwd: folder, timeoutMs: GO_TIMEOUT_MS };
  writeFileSync(join(folder, 'go.mod'), 'module suite\n\ngo 1.24\n');
  await prepare(go, ['get', '-t', `${PACKAGE}@${VERSION}`], run);
  const server = new HarnessServer({ port: PORT, profile: 'engine' });
  await server.listen();
  try {
    const env = { TEST_FVT_ADDR: '127.0.0.1' };
    const { output } = await runToEnd(go, ['test', '-count=1', '-v', PACKAGE], { ...run, env });
    const failed = [...output.matchAll(/^--- FAIL: (\S+)/gm)].map(([, name]) => name as string);
    const passed = output.match(/^--- PASS: /gm)?.length ?? 0;
    if (passed + failed.length < TESTS) failed.push(`${TESTS} tests were expected, ${passed} passed`);
    return { passed, failed };
  } finally {
    await server.close();
  }
}

import { parseArgs } from 'node:util';

import { HarnessServer } from './harness-server.ts';

/**
 * `npm run mqtt:harness -- --port P`: the engine as a small general broker on loopback, for suites that come from
 * elsewhere. Those start their server with `-v -p P`, so these are understood too. Never part of a production image.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', short: 'p', default: '1883' },
    profile: { type: 'string', default: 'engine' },
    verbose: { type: 'boolean', short: 'v', default: false },
  },
});

const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) fail(`--port ${values.port} is not a port`);
if (values.profile !== 'engine' && values.profile !== 'suite') fail('--profile is engine or suite');

const server = new HarnessServer({ port, profile: values.profile });
try {
  const mqtt = await server.listen();
  process.stdout.write(`${JSON.stringify({ event: 'ready', ports: { mqtt } })}\n`);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

// No drain: the suites wait for the end of the process, and nothing is kept beyond it.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));

function fail(message: string): never {
  process.stderr.write(`mqtt-harness: ${message}\n`);
  process.exit(1);
}

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * `npm run check`: everything that can be said in two minutes without starting a server. Setup has built it already.
 */
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
const STEPS: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
}[] = [
  { name: 'lint', args: ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'format', args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'] },
  // The build leaves tests out, and jest only strips their types.
  { name: 'types of the tests', args: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.tests.json'] },
  // Tidy is among the unit tests.
  { name: 'unit and tidy', args: [...JEST, '--selectProjects', 'unit'] },
  { name: 'contract', args: [...JEST, '--selectProjects', 'contract', '--passWithNoTests'] },
  {
    name: 'simulation',
    args: [...JEST, '--selectProjects', 'simulation', '--passWithNoTests'],
    env: { SIM_SEEDS: '25' },
  },
];

const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
for (const { name, args, env } of STEPS) {
  const startedAt = performance.now();
  process.stdout.write(`check  ${name}\n`);
  const { status } = spawnSync(process.execPath, args, {
    cwd: rootFolder,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  process.stdout.write(
    `check  ${name}: ${status === 0 ? 'good' : 'failed'}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n\n`,
  );
  if (status !== 0) process.exit(1);
}

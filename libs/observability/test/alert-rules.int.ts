import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from '@jest/globals';

const folder = fileURLToPath(new URL('../../../deploy/prometheus', import.meta.url));
const promtool = (...args: string[]): { readonly status: number | null; readonly output: string } => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
};
const isInstalled = spawnSync('promtool', ['--version'], { stdio: 'ignore' }).status === 0;

(isInstalled ? describe : describe.skip)('the alert rules (need promtool)', () => {
  it('are read by Prometheus', () => {
    expect(promtool('check', 'rules', 'breakwater.rules.yml')).toMatchObject({ status: 0 });
  });

  it('fire when they should, and not otherwise', () => {
    expect(promtool('test', 'rules', 'breakwater.rules.test.yml')).toMatchObject({ status: 0 });
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const [, build = '', image = ''] = read('Dockerfile').split(/^FROM /m);
/** Made by the build, not in the repository. */
const MADE = ['node_modules'];

describe('the image', () => {
  it('takes over folders and files that there are', () => {
    const sources = [...image.matchAll(/^COPY --from=build (?:--\S+ )*\/app\/(\S+) /gm)].map(([, path = '']) => path);
    expect(sources).toEqual(expect.arrayContaining(['package.json', 'node_modules', 'libs', 'apps', 'temporal']));
    expect(sources.filter((path) => !MADE.includes(path) && !existsSync(join(root, path)))).toEqual([]);
  });

  it('leaves behind the embedded engine, and only what there is', () => {
    const removed = /rm -rf ([^&]+?)\s*&&/.exec(build.replaceAll(/\\\n/g, ' '))?.[1]?.split(/\s+/) ?? [];
    expect(removed).toEqual(expect.arrayContaining(['node_modules/chdb', 'node_modules/@chdb', 'apps/standalone']));
    const own = removed.filter((path) => !path.startsWith('node_modules/'));
    expect(own.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('runs as the user that the chart says, which is not root, on the Node that the tests run on', () => {
    const user = /^USER (\d+):(\d+)$/m.exec(image)?.slice(1).map(Number);
    const { podSecurityContext } = parse(read('deploy/helm/breakwater/values.yaml')) as {
      readonly podSecurityContext: { readonly runAsUser: number; readonly runAsGroup: number };
    };
    expect(user).toEqual([podSecurityContext.runAsUser, podSecurityContext.runAsGroup]);
    const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> };
    const major = devDependencies['node']?.split('.')[0] ?? '';
    expect(build.startsWith(`node:${major}-`) && image.startsWith(`node:${major}-`)).toBe(true);
  });
});

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

interface SetupModules {
  reasonToInstall(rootFolder: string): string | undefined;
  provideRedisServer(env: Record<string, string>): { detail: string };
  buildWorkspace(rootFolder: string): { detail: string };
}

// Setup is plain JavaScript, because it runs before there is a compiler.
const load = async (name: string): Promise<SetupModules> =>
  (await import(`../setup/${name}.mjs`)) as unknown as SetupModules;
const { reasonToInstall } = await load('install-dependencies');
const { provideRedisServer } = await load('provide-redis-server');
const { buildWorkspace } = await load('build-workspace');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bw-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, content: unknown): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));
}

describe('node_modules', () => {
  const locked = {
    '': { dependencies: { a: '1' } },
    'libs/x': { dependencies: { a: '1' } },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/native-for-others': { version: '1.0.0', optional: true },
    'libs/x/node_modules/b': { version: '2.0.0' },
  };
  beforeEach(() => {
    put('package.json', { dependencies: { a: '1' } });
    put('libs/x/package.json', { dependencies: { a: '1' } });
    put('libs/x/node_modules/b/package.json', {});
    put('package-lock.json', { packages: locked });
    put('node_modules/a/package.json', {});
    put('node_modules/node/bin/node', '');
    put('node_modules/.package-lock.json', {
      packages: { 'node_modules/a': { version: '1.0.0' }, 'libs/x/node_modules/b': { version: '2.0.0' } },
    });
  });

  it('is left alone when it is what the lock file says', () => expect(reasonToInstall(folder)).toBeUndefined());

  it('is installed when it is not there', () => {
    rmSync(join(folder, 'node_modules'), { recursive: true });
    expect(reasonToInstall(folder)).toBe('first run');
  });

  it.each([
    [
      'a package has another version',
      'node_modules/.package-lock.json',
      { packages: { 'node_modules/a': { version: '0.9.0' } } },
    ],
    ['a package is not installed', 'node_modules/.package-lock.json', { packages: {} }],
    ['a manifest asks for something else', 'libs/x/package.json', { dependencies: { a: '1', c: '1' } }],
    ['the root asks for something else', 'package.json', { dependencies: { a: '2' } }],
  ])('is installed again when %s', (_why, path, content) => {
    put(path, content);
    expect(reasonToInstall(folder)).toEqual(expect.any(String));
  });

  it('is installed again when a folder or Node itself is gone', () => {
    rmSync(join(folder, 'node_modules/node'), { recursive: true });
    expect(reasonToInstall(folder)).toBe('Node is missing');
    rmSync(join(folder, 'node_modules/a'), { recursive: true });
    expect(reasonToInstall(folder)).toBe('a is gone');
  });
});

describe('redis-server', () => {
  function fakeRedis(version: string): string {
    put('bin/redis-server', `#!/bin/sh\necho "Redis server v=${version} sha=0:0 malloc=libc bits=64 build=0"\n`);
    chmodSync(join(folder, 'bin/redis-server'), 0o755);
    return join(folder, 'bin/redis-server');
  }

  it('is taken from the setting, whatever else there is', () => {
    const path = fakeRedis('7.2.4');
    expect(provideRedisServer({ REDIS_SERVER_PATH: path, PATH: '' }).detail).toContain(`7.2.4, ${path}`);
  });

  it('is found on PATH', () => {
    fakeRedis('8.0.1');
    expect(provideRedisServer({ PATH: join(folder, 'bin') }).detail).toContain('8.0.1');
  });

  it('is refused when it is too old, with both ways out', () => {
    const path = fakeRedis('6.0.16');
    for (const env of [{ REDIS_SERVER_PATH: path }, { PATH: join(folder, 'bin') }]) {
      expect(() => provideRedisServer(env as Record<string, string>)).toThrow(
        /6\.0\.16[^]*install it[^]*docker compose up/,
      );
    }
  });

  it('is installed by apt, without a question and without starting its service', () => {
    // Only root may install; for others the refusal above is the answer.
    if (process.getuid?.() !== 0) return;
    const redis = `echo "Redis server v=7.0.15 sha=0"`;
    put(
      'bin/apt-get',
      `#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> ${folder}/calls\nif [ "$1" = install ]; then
      test -x /usr/sbin/policy-rc.d && printf '#!/bin/sh\\n${redis}\\n' > ${folder}/bin/redis-server
      /bin/chmod +x ${folder}/bin/redis-server; fi\n`,
    );
    chmodSync(join(folder, 'bin/apt-get'), 0o755);
    const path = process.env['PATH'];
    process.env['PATH'] = join(folder, 'bin');
    try {
      expect(provideRedisServer({ PATH: join(folder, 'bin') }).detail).toContain('7.0.15');
    } finally {
      process.env['PATH'] = path;
    }
    expect(readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n')).toEqual([
      'noninteractive update -qq',
      'noninteractive install -y -qq --no-install-recommends redis-server',
    ]);
  });

  it('is refused when the setting names nothing', () => {
    expect(() => provideRedisServer({ REDIS_SERVER_PATH: join(folder, 'nothing') })).toThrow(/there is no program/);
  });
});

describe('the build', () => {
  beforeEach(() => {
    put('package-lock.json', {});
    put('tsconfig.json', { references: [{ path: 'libs/x' }] });
    put('libs/x/package.json', {});
    put('libs/x/tsconfig.json', {});
    put('libs/x/src/index.ts', '');
    put('libs/x/src/scripts/commit.lua', 'return 1');
    // A compiler that leaves the trace by which a finished build is known.
    const compiler = `require('fs').mkdirSync('libs/x/dist',{recursive:true});require('fs').writeFileSync('libs/x/dist/.tsbuildinfo','')`;
    put('node_modules/typescript/bin/tsc', compiler);
  });

  it('runs once, and again after any change', () => {
    expect(buildWorkspace(folder).detail).toContain('tsc -b');
    expect(buildWorkspace(folder).detail).toBe('up to date');
    utimesSync(join(folder, 'libs/x/src/index.ts'), 1, 1);
    expect(buildWorkspace(folder).detail).toContain('tsc -b');
    put('libs/x/src/another.ts', '');
    expect(buildWorkspace(folder).detail).toContain('tsc -b');
    rmSync(join(folder, 'libs/x/dist'), { recursive: true });
    expect(buildWorkspace(folder).detail).toContain('tsc -b');
  });

  it('takes along what programs read, and removes what has no source any more', () => {
    put('libs/x/dist/gone.js', '');
    put('libs/x/dist/index.js', '');
    buildWorkspace(folder);
    const exists = (path: string): boolean => {
      try {
        rmSync(join(folder, path));
        return true;
      } catch {
        return false;
      }
    };
    expect(exists('libs/x/dist/gone.js')).toBe(false);
    expect(exists('libs/x/dist/index.js')).toBe(true);
    expect(exists('libs/x/dist/scripts/commit.lua')).toBe(true);
  });
});

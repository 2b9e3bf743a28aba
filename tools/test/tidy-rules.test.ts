import { describe, expect, it } from '@jest/globals';

import { checkCommands, checkDecisions, checkErrorPage, checkLinks } from '../src/tidy/document-rules.ts';
import { checkExports } from '../src/tidy/export-rules.ts';
import { checkImports } from '../src/tidy/import-rules.ts';
import { checkNames } from '../src/tidy/name-rules.ts';
import { checkSizes } from '../src/tidy/size-rules.ts';
import { checkTexts } from '../src/tidy/text-rules.ts';

const messages = (findings: readonly { message: string }[]): string[] => findings.map(({ message }) => message);

describe('the import rule', () => {
  const runtime = {
    path: 'libs/twin-runtime/package.json',
    text: '{"name":"@breakwater/twin-runtime","exports":{".":{},"./testing":{}}}',
  };
  const check = (path: string, text: string): string[] => messages(checkImports([runtime, { path, text }]));

  it.each([
    ['libs/twin/src/a.ts', `import { x } from 'node:fs';`],
    ['libs/twin/src/a.ts', `import type { x } from '@breakwater/wire';`],
    ['libs/twin/src/a.ts', `export { x } from 'zod';`],
    ['libs/twin-runtime/src/a.ts', `const x = await import('ioredis');`],
    ['libs/adapter-redis/src/a.ts', `import { x } from '@clickhouse/client';`],
    ['libs/adapter-redis/src/a.ts', `import { x } from '@breakwater/adapter-memory';`],
    ['apps/api/src/a.ts', `import { x } from '@breakwater/gateway';`],
    ['apps/api/src/a.ts', `import { x } from '../../gateway/src/b.ts';`],
    ['apps/api/src/a.ts', `import { x } from '@breakwater/wire/src/b.ts';`],
    ['apps/api/src/a.ts', `import { x } from './b';`],
  ])('refuses in %s: %s', (path, text) => {
    expect(check(path, text)).not.toEqual([]);
  });

  it.each([
    [
      'libs/wire/src/a.ts',
      `import { z } from 'zod';\nimport { x } from '@breakwater/twin';\nimport { y } from './b.ts';`,
    ],
    ['libs/twin/src/a.test.ts', `import fc from 'fast-check';`],
    ['libs/adapter-redis/test/a.contract.ts', `import { x } from '@breakwater/twin-runtime/testing';`],
    ['apps/api/src/a.ts', `import { x } from '@breakwater/adapter-redis';`],
  ])('allows in %s: %s', (path, text) => {
    expect(check(path, text)).toEqual([]);
  });

  it('wants what is imported to be declared', () => {
    const manifest = { path: 'apps/api/package.json', text: '{"dependencies":{"fastify":"1"}}' };
    const source = { path: 'apps/api/src/a.ts', text: `import 'fastify';\nimport 'rxjs';` };
    expect(messages(checkImports([manifest, source]))).toEqual(['rxjs is not among the dependencies of apps/api']);
  });

  it('refuses a dependency of an app on another app', () => {
    const manifest = { path: 'apps/api/package.json', text: '{"dependencies":{"@breakwater/gateway":"0.1.0"}}' };
    expect(checkImports([manifest])).toHaveLength(1);
  });
});

describe('the size rule', () => {
  const functionOf = (lines: number): string => `function f() {\n${'  g();\n'.repeat(lines - 2)}}\n`;

  it('counts the lines of a function, without blanks and comments', () => {
    expect(checkSizes([{ path: 'a.ts', text: functionOf(70) }])).toEqual([]);
    expect(checkSizes([{ path: 'a.ts', text: functionOf(70).replaceAll('g();', 'g(); // why\n\n  // more') }])).toEqual(
      [],
    );
    expect(messages(checkSizes([{ path: 'a.ts', text: functionOf(71) }]))).toEqual([
      'a function of 71 lines, 70 are the most',
    ]);
  });

  it('counts the lines of a file, and every column', () => {
    expect(checkSizes([{ path: 'a.ts', text: 'g();\n'.repeat(500) }])).toEqual([]);
    expect(checkSizes([{ path: 'a.ts', text: 'g();\n'.repeat(501) }])).toHaveLength(1);
    expect(checkSizes([{ path: 'a.lua', text: `-- ${'x'.repeat(118)}` }])).toHaveLength(1);
  });

  it('lets a text that cannot be cut reach over the edge', () => {
    const text = 'x'.repeat(130);
    expect(checkSizes([{ path: 'a.ts', text: `f('${text}');\nf(\`\n${text}\n\`);` }])).toEqual([]);
    expect(checkSizes([{ path: 'a.ts', text: `f('x'); // ${text}\nf(${text});` }])).toHaveLength(2);
  });

  it('does not count a list of tests as one function', () => {
    const text = `describe('x', () => {\n${"it('y', () => {});\n".repeat(100)}});`;
    expect(checkSizes([{ path: 'a.test.ts', text }])).toEqual([]);
    expect(checkSizes([{ path: 'a.ts', text }])).toHaveLength(1);
  });
});

describe('the rule of exports', () => {
  const file = {
    path: 'libs/wire/src/a.ts',
    text: 'const b = 1;\nexport const used = b;\nexport type Shape = number;\n',
  };
  const check = (...others: readonly { path: string; text: string }[]): string[] =>
    messages(checkExports([file, ...others]));

  it('finds a value that no other file names; that its package offers it is no use', () => {
    const entry = { path: 'libs/wire/src/index.ts', text: `export { used } from './a.ts';` };
    expect(check()).toEqual(['used is exported, and no other file uses it']);
    expect(check(entry)).toHaveLength(1);
    expect(check(entry, { path: 'apps/api/src/b.ts', text: `import { used } from '@breakwater/wire';` })).toEqual([]);
  });

  it('knows lists within a package from what it offers', () => {
    expect(check({ path: 'libs/wire/src/a/index.ts', text: `import { used } from '../a.ts';` })).toEqual([]);
  });
});

describe('the name rule', () => {
  it.each([
    'libs/wire/src/utils.ts',
    'libs/wire/src/helpers/a.ts',
    'libs/wire/src/TwinStore.ts',
    'apps/api/src/types.ts',
  ])('refuses the file %s', (path) => expect(checkNames([{ path, text: '' }])).toHaveLength(1));

  it.each([
    'class TwinManager {}',
    'interface ITwin {}',
    'class TwinStoreImpl {}',
    'enum Color { red }',
    `export * from './a.ts';`,
  ])('refuses %s', (text) => expect(checkNames([{ path: 'libs/wire/src/a.ts', text }])).toHaveLength(1));

  it('allows names that say something', () => {
    const text = `export class TwinStore {}\nexport { a } from './a.ts';\ninterface Identity {}\ntype Input = string;`;
    expect(checkNames([{ path: 'libs/wire/src/twin-store.test.ts', text }])).toEqual([]);
  });
});

describe('the text rule', () => {
  it.each([
    ['a.ts', `// ${'TO'}${'DO'}: later`],
    ['README.md', ['', 'home', 'somebody', 'x'].join('/')],
    ['package-lock.json', '      "resolved": "https://example.org/a.tgz",'],
    ['Dockerfile', 'RUN npm config set x https://registry.example.org/'],
  ])('refuses in %s: %s', (path, text) => expect(checkTexts([{ path, text }])).toHaveLength(1));
});

describe('the document rules', () => {
  it('compares error codes and their page in both directions', () => {
    const page = { path: 'docs/errors.md', text: '### A\n### B\n### B\n' };
    expect(messages(checkErrorPage([page], ['B', 'C']))).toEqual([
      'C has no heading',
      'A is not in libs/wire/src/error-codes.ts',
      'B has two headings',
    ]);
    expect(checkErrorPage([], [])).toHaveLength(1);
  });

  it('follows links to files and to headings', () => {
    const text = '# Some *thing*, here\n[a](#some-thing-here) [b](#else) [c](missing.md) [d](https://example.org)';
    expect(messages(checkLinks([{ path: 'README.md', text }], import.meta.dirname))).toEqual([
      '#some-thing-here: there is no such file',
      '#else: there is no such file',
      'missing.md: there is no such file',
    ]);
    const page = { path: 'tidy-rules.test.ts.md', text: '' };
    expect(checkLinks([page], import.meta.dirname)).toEqual([]);
  });

  it('knows the commands that a page names', () => {
    const manifest = { path: 'package.json', text: '{"scripts":{"start":"x","bench":"y"}}' };
    const page = { path: 'README.md', text: 'npm start, npm run bench\nnpm run dance' };
    expect(messages(checkCommands([manifest, page]))).toEqual(['there is no script "dance"']);
  });

  it('wants decisions numbered, dated and complete', () => {
    const good = '# x\n2026-11-22\n## Context\n## Decision\n## Consequences\n';
    expect(checkDecisions([{ path: 'docs/adr/0001-a.md', text: good }])).toEqual([]);
    expect(checkDecisions([{ path: 'docs/adr/0002-a.md', text: good }])).toHaveLength(1);
    expect(checkDecisions([{ path: 'docs/adr/0001-a.md', text: '## Context' }])).toHaveLength(3);
  });
});

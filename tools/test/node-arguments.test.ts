import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { NODE_ARGUMENTS } from '@breakwater/config';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Programs whose command has arguments of Node beside the limit of the heap. */
function withArguments(programs: Readonly<Record<string, readonly string[]>>): Record<string, readonly string[]> {
  const others = Object.entries(programs).map(([name, words]) => [
    name,
    words.filter((word) => word.startsWith('--') && !word.startsWith('--max-old-space-size=')),
  ]);
  return Object.fromEntries(others.filter(([, words]) => words!.length > 0)) as Record<string, readonly string[]>;
}

describe('what Node is told', () => {
  it('is the same in docker-compose.yml as in npm start', () => {
    const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
      readonly services: Readonly<Record<string, { readonly command?: readonly string[] | string }>>;
    };
    const commands = Object.entries(services).flatMap(([name, { command }]) =>
      Array.isArray(command) && command[0] === 'node' ? [[name, command] as const] : [],
    );
    expect(withArguments(Object.fromEntries(commands))).toEqual(NODE_ARGUMENTS);
  });

  it('is the same in the chart', () => {
    const [, body = ''] = /define "breakwater\.parts" -\}\}\n([\s\S]*?)\{\{- end -\}\}/.exec(
      read('deploy/helm/breakwater/templates/_helpers.tpl'),
    )!;
    const parts = parse(body.replaceAll(/^\{\{.*\}\}$/gm, '')) as Readonly<
      Record<string, { readonly nodeArguments?: readonly string[] }>
    >;
    const programs = Object.entries(parts).map(([name, { nodeArguments = [] }]) => [name, nodeArguments] as const);
    expect(withArguments(Object.fromEntries(programs))).toEqual(NODE_ARGUMENTS);
    expect(read('deploy/helm/breakwater/templates/deployments.yaml')).toContain('range $about.nodeArguments');
  });
});

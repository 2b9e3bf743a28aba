import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from '@jest/globals';

import { EVOLVERS } from './events/index.ts';
import { DECIDERS } from './messages/index.ts';

/** `a-file.ts` → `aFile`. */
function kindsIn(folder: string): string[] {
  const path = fileURLToPath(new URL(folder, import.meta.url));
  return readdirSync(path)
    .filter((file) => file !== 'index.ts' && !file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.ts'.length).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()))
    .sort();
}

// That every kind of message and event has an entry of the right type is proved by the compiler: the registries are
// mapped types. What it can not see is a file that nobody registered.
describe('the registries', () => {
  it('have one file per message', () => {
    expect(Object.keys(DECIDERS).sort()).toEqual(kindsIn('./messages'));
  });

  it('have one file per event', () => {
    expect(Object.keys(EVOLVERS).sort()).toEqual(kindsIn('./events'));
  });
});

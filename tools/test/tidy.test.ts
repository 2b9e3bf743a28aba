import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ERROR_CODES } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';

import { configurationPage, settingNames } from '../src/configuration-page.ts';
import { checkCommands, checkDecisions, checkErrorPage, checkLinks } from '../src/tidy/document-rules.ts';
import { checkExports } from '../src/tidy/export-rules.ts';
import { type Finding, formatFinding } from '../src/tidy/finding.ts';
import { checkImports } from '../src/tidy/import-rules.ts';
import { checkNames } from '../src/tidy/name-rules.ts';
import { checkSizes } from '../src/tidy/size-rules.ts';
import { readSourceTree } from '../src/tidy/source-tree.ts';
import { checkTexts } from '../src/tidy/text-rules.ts';

const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
const files = readSourceTree(rootFolder);

function none(findings: readonly Finding[]): void {
  expect(findings.map(formatFinding)).toEqual([]);
}

describe('this repository', () => {
  it('keeps the direction of imports', () => none(checkImports(files)));
  it('keeps files, functions and lines short', () => none(checkSizes(files)));
  it('gives names that say something', () => none(checkNames(files)));
  it('exports nothing that nobody uses', () => none(checkExports(files)));
  it('leaves nothing half done and names no machine', () => none(checkTexts(files)));
  it('documents every error code, and no other', () => none(checkErrorPage(files, ERROR_CODES)));
  it('has no dead links', () => none(checkLinks(files, rootFolder)));
  it('names only commands that exist', () => none(checkCommands(files)));
  it('numbers its decisions', () => none(checkDecisions(files)));

  it('documents its settings as they are (`npm run docs` writes the page)', () => {
    expect(readFileSync(join(rootFolder, 'docs', 'configuration.md'), 'utf8')).toBe(configurationPage());
  });

  it('gives every setting one name of its own', () => {
    const names = settingNames();
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

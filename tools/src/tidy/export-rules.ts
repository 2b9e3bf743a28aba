import type { Finding } from './finding.ts';
import { isTypeScript, type SourceFile } from './source-tree.ts';

const EXPORTED_VALUE = /^export (?:async )?(?:const|function\*?) ([A-Za-z_$][\w$]*)/gm;
const WORD = /[A-Za-z_$][\w$]*/g;
/** What a package offers: that it offers something is no use of it. */
const PACKAGE_ENTRY = /^(?:(?:libs|apps|temporal)\/[^/]+|bench|test|tools)\/src\/(?:testing\/)?index\.ts$/;
const CODE = /\.(?:ts|m?js)$/;

/**
 * A value that is exported, and that no other file names, is dead or its file's own business. Types and classes are
 * left alone: they tell the shape of what is exported with them.
 */
export function checkExports(files: readonly SourceFile[]): Finding[] {
  const users = usersByWord(files.filter(({ path }) => CODE.test(path) && !PACKAGE_ENTRY.test(path)));
  return files
    .filter(({ path }) => isTypeScript(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(EXPORTED_VALUE)].flatMap((match) => {
        const name = match[1] ?? '';
        if ((users.get(name) ?? 0) > 1) return [];
        const line = text.slice(0, match.index).split('\n').length;
        return [{ file: path, line, message: `${name} is exported, and no other file uses it` }];
      }),
    );
}

/** How many files name each word. */
function usersByWord(files: readonly SourceFile[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const { text } of files) {
    for (const word of new Set(text.match(WORD))) users.set(word, (users.get(word) ?? 0) + 1);
  }
  return users;
}

import type { Finding } from './finding.ts';
import type { SourceFile } from './source-tree.ts';

interface TextRule {
  readonly pattern: RegExp;
  readonly message: string;
  readonly applies: (path: string) => boolean;
}

const isCode = (path: string): boolean => /\.(?:ts|m?js|lua|sql)$/.test(path);
const isOutsideOfTidy = (path: string): boolean =>
  !path.startsWith('tools/src/tidy/') && !path.startsWith('tools/test/tidy');

const TEXT_RULES: readonly TextRule[] = [
  {
    pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/,
    message: 'finish it, or open an issue and say in a sentence what is left out and why',
    applies: isOutsideOfTidy,
  },
  {
    pattern: /(?:^|[\s"'`(=])\/(?:work|home|Users|root)\/[A-Za-z]/,
    message: 'a path of one machine: build it from the place of this file or from a setting',
    applies: isOutsideOfTidy,
  },
  {
    pattern: /https?:\/\/[^\s"'`)]*(?:registry|artifactory|nexus|verdaccio)[^\s"'`)]*/i,
    message: 'a package registry: which one is used is the business of each machine',
    applies: isOutsideOfTidy,
  },
  {
    pattern: /"resolved": "https?:/,
    message: 'the lock file names a registry: see .npmrc',
    applies: (path) => path === 'package-lock.json',
  },
  {
    pattern: /\bsetTimeout\([^)]*\)\s*;?\s*\/\/\s*flaky/i,
    message: 'wait for the condition, not for the time',
    applies: isOutsideOfTidy,
  },
  {
    pattern: /\bDESIGN\.md\b|\bstyle\.md\b/,
    message: 'not a page of this repository: point to docs/ instead',
    applies: (path) => isCode(path) && isOutsideOfTidy(path),
  },
];

/** Rules that a line of text can break whatever language it is in. */
export function checkTexts(files: readonly SourceFile[]): Finding[] {
  return files.flatMap((file) => {
    const rules = TEXT_RULES.filter((rule) => rule.applies(file.path));
    return file.text
      .split('\n')
      .flatMap((text, index) =>
        rules
          .filter((rule) => rule.pattern.test(text))
          .map(({ message }) => ({ file: file.path, line: index + 1, message })),
      );
  });
}

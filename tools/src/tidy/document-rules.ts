import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { Finding } from './finding.ts';
import type { SourceFile } from './source-tree.ts';

const ERROR_PAGE = 'docs/errors.md';
const ADR_FOLDER = 'docs/adr/';

/** Every error code has a heading in docs/errors.md, and every heading there is an error code. */
export function checkErrorPage(files: readonly SourceFile[], codes: readonly string[]): Finding[] {
  const page = files.find((file) => file.path === ERROR_PAGE);
  if (page === undefined) return [{ file: ERROR_PAGE, line: 1, message: 'is missing' }];
  const documented = [...page.text.matchAll(/^### ([A-Z0-9_]+)$/gm)].map((match) => match[1] ?? '');
  const twice = documented.filter((code, index) => documented.indexOf(code) !== index);
  return [
    ...codes.filter((code) => !documented.includes(code)).map((code) => `${code} has no heading`),
    ...documented
      .filter((code) => !codes.includes(code))
      .map((code) => `${code} is not in libs/wire/src/error-codes.ts`),
    ...twice.map((code) => `${code} has two headings`),
  ].map((message) => ({ file: ERROR_PAGE, line: 1, message }));
}

/** Links between our own pages lead somewhere, also those to a heading. */
export function checkLinks(files: readonly SourceFile[], rootFolder: string): Finding[] {
  const pages = files.filter((file) => file.path.endsWith('.md'));
  return pages.flatMap((page) =>
    page.text.split('\n').flatMap((text, index) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
        const target = match[1] ?? '';
        if (/^[a-z]+:/.test(target)) return [];
        const problem = problemOfLink(page, target, { pages, rootFolder });
        return problem === undefined ? [] : [{ file: page.path, line: index + 1, message: problem }];
      }),
    ),
  );
}

function problemOfLink(
  page: SourceFile,
  target: string,
  tree: { readonly pages: readonly SourceFile[]; readonly rootFolder: string },
): string | undefined {
  const [path = '', anchor] = target.split('#');
  const resolved = path === '' ? page.path : join(dirname(page.path), path);
  if (!existsSync(join(tree.rootFolder, resolved))) return `${target}: there is no such file`;
  const linked = tree.pages.find((candidate) => candidate.path === resolved);
  if (anchor === undefined || linked === undefined) return undefined;
  return anchorsOf(linked.text).includes(anchor) ? undefined : `${target}: there is no such heading`;
}

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}

/** Every `npm run x` in our pages is a script that exists. */
export function checkCommands(files: readonly SourceFile[]): Finding[] {
  const manifest = files.find((file) => file.path === 'package.json');
  const { scripts = {} } = JSON.parse(manifest?.text ?? '{}') as { scripts?: Record<string, string> };
  return files
    .filter((file) => file.path.endsWith('.md'))
    .flatMap((page) =>
      page.text.split('\n').flatMap((text, index) =>
        [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)]
          .map((match) => match[1] ?? match[2] ?? '')
          .filter((name) => scripts[name] === undefined)
          .map((name) => ({ file: page.path, line: index + 1, message: `there is no script "${name}"` })),
      ),
    );
}

/** Decisions are numbered without gaps and without doubles, and each says when, why and what follows. */
export function checkDecisions(files: readonly SourceFile[]): Finding[] {
  const records = files.filter((file) => file.path.startsWith(ADR_FOLDER) && file.path.endsWith('.md'));
  return records.flatMap((record, index) => {
    const problems: string[] = [];
    const number = /^docs\/adr\/(\d{4})-[a-z0-9-]+\.md$/.exec(record.path)?.[1];
    if (number === undefined) problems.push('decisions are named NNNN-title.md');
    else if (Number(number) !== index + 1)
      problems.push(`number ${number} where ${String(index + 1).padStart(4, '0')} is next`);
    for (const heading of ['Context', 'Decision', 'Consequences']) {
      if (!new RegExp(`^## ${heading}`, 'm').test(record.text)) problems.push(`has no heading "${heading}"`);
    }
    if (!/\b\d{4}-\d{2}-\d{2}\b/.test(record.text)) problems.push('has no date');
    return problems.map((message) => ({ file: record.path, line: 1, message }));
  });
}

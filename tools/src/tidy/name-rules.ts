import ts from 'typescript';

import type { Finding } from './finding.ts';
import { isTypeScript, type SourceFile } from './source-tree.ts';

const DRAWERS = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'types', 'shared', 'lib']);
const EMPTY_ENDING = /(?:Manager|Impl|Helper|Helpers|Util|Utils)$/;
const HUNGARIAN = /^(?:I[A-Z][a-z]|Abstract[A-Z])/;
const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/;

/** Names that say nothing are refused: a drawer fills up, and a Manager does anything. */
export function checkNames(files: readonly SourceFile[]): Finding[] {
  return files
    .filter((file) => isTypeScript(file.path))
    .flatMap((file) => [...checkPath(file.path), ...checkDeclarations(file)]);
}

function checkPath(path: string): Finding[] {
  const parts = path.split('/');
  const file = parts.at(-1)?.replace(/\.ts$/, '') ?? '';
  const problems: string[] = [];
  if (!KEBAB_CASE.test(file)) problems.push('files are named in kebab-case, after their main export');
  const drawer = [...parts.slice(2, -1), file].find((part) => DRAWERS.has(part));
  if (drawer !== undefined) problems.push(`"${drawer}" is a drawer: name the file after what is in it`);
  return problems.map((message) => ({ file: path, line: 1, message }));
}

function checkDeclarations(file: SourceFile): Finding[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const findings: Finding[] = [];
  const report = (node: ts.Node, message: string): void => {
    findings.push({ file: file.path, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, message });
  };
  const visit = (node: ts.Node): void => {
    const named = ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
    const name = named ? (node.name?.text ?? '') : '';
    if (EMPTY_ENDING.test(name) || HUNGARIAN.test(name)) report(node, `${name}: name it after what it does or is`);
    if (ts.isEnumDeclaration(node)) report(node, `${node.name.text}: a const object and a type instead of an enum`);
    if (ts.isExportDeclaration(node) && node.exportClause === undefined)
      report(node, 'name what is exported instead of `export *`');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

import ts from 'typescript';

import type { Finding } from './finding.ts';
import { isTestCode, isTypeScript, type SourceFile } from './source-tree.ts';

const FILE_LINES_MAX = 500;
const TEST_FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
export const LINE_LENGTH_MAX = 120;

/** Small files, small functions, short lines. Blank lines and comments do not count: prose is never the problem. */
export function checkSizes(files: readonly SourceFile[]): Finding[] {
  const code = files.filter(
    (file) => isTypeScript(file.path) || /\.m?js$/.test(file.path) || file.path.endsWith('.lua'),
  );
  return code.flatMap((file) => (file.path.endsWith('.lua') ? checkLineLengths(file) : checkSource(file)));
}

function checkLineLengths(file: SourceFile, mayBeLong: ReadonlySet<number> = new Set()): Finding[] {
  return file.text.split('\n').flatMap((text, index) => {
    if (text.length <= LINE_LENGTH_MAX || mayBeLong.has(index)) return [];
    return [{ file: file.path, line: index + 1, message: `${text.length} columns, ${LINE_LENGTH_MAX} are the most` }];
  });
}

/** Lines on which a text reaches over the edge: cut in two it could no longer be searched for or copied. */
function linesOfLongTexts(source: ts.SourceFile): Set<number> {
  const lines = new Set<number>();
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node) || ts.isTemplateExpression(node)) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
      const end = source.getLineAndCharacterOfPosition(node.getEnd());
      for (let line = first; line < end.line; line += 1) lines.add(line);
      if (end.character > LINE_LENGTH_MAX - 1) lines.add(end.line);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

function checkSource(file: SourceFile): Finding[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const codeLines = linesWithCode(source);
  const isTest = isTestCode(file.path);
  const findings = checkLineLengths(file, linesOfLongTexts(source));
  const linesMax = isTest ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
  if (codeLines.total > linesMax) {
    findings.push({
      file: file.path,
      line: 1,
      message: `${codeLines.total} lines of code, ${linesMax} are the most: split it by what it does`,
    });
  }
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined && !(isTest && holdsTests(node))) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line;
      const count = codeLines.between(first, last);
      if (count > FUNCTION_LINES_MAX) {
        findings.push({
          file: file.path,
          line: first + 1,
          message: `a function of ${count} lines, ${FUNCTION_LINES_MAX} are the most`,
        });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

/** The callback of a `describe`, or a contract suite: a list of tests, not a function that somebody must follow. */
function holdsTests(node: ts.Node): boolean {
  return /\b(?:it|test)(?:\.each)?\s*\(/.test(node.getText());
}

/** How many lines hold a token; comments are no tokens. */
function linesWithCode(source: ts.SourceFile): { total: number; between: (first: number, last: number) => number } {
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const holdsCode = new Uint8Array(source.getLineStarts().length);
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(source);
    if (children.length === 0 && node.getEnd() > node.getStart(source)) {
      holdsCode.fill(1, lineOf(node.getStart(source)), lineOf(node.getEnd()) + 1);
    }
    for (const child of children) if (!ts.isJSDoc(child)) visit(child);
  };
  visit(source);
  const before = new Uint32Array(holdsCode.length + 1);
  for (let line = 0; line < holdsCode.length; line += 1)
    before[line + 1] = (before[line] ?? 0) + (holdsCode[line] ?? 0);
  const between = (first: number, last: number): number => (before[last + 1] ?? 0) - (before[first] ?? 0);
  return { total: between(0, holdsCode.length - 1), between };
}

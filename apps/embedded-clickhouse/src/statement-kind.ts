/** `read` cannot change data, and runs beside others; `insert` may carry a body; `command` is everything else. */
export type StatementKind = 'read' | 'insert' | 'command' | 'empty';

const READ_WORDS = new Set(['SELECT', 'WITH', 'SHOW', 'DESC', 'DESCRIBE', 'EXISTS', 'EXPLAIN', 'FROM']);
const INSERT_ENDS_WITH_DATA = /(?:\bFORMAT\s+\w+|\bVALUES)\s*;?\s*$/i;
const FORMAT_AT_END = /\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^']*)?;?\s*$/i;

/** Looks at the first word behind blanks, comments and brackets. */
export function statementKind(statement: string): StatementKind {
  const at = firstToken(statement);
  if (at === -1) return 'empty';
  const word = /^\w+/.exec(statement.slice(at, at + 16))?.[0].toUpperCase() ?? '';
  if (READ_WORDS.has(word)) return 'read';
  return word === 'INSERT' ? 'insert' : 'command';
}

/** True for an INSERT whose rows were to follow and did not: ClickHouse's server takes that as no rows. */
export function expectsRows(statement: string): boolean {
  return INSERT_ENDS_WITH_DATA.test(statement);
}

/** The format that the statement itself asks for, or null. */
export function formatOf(statement: string): string | null {
  return FORMAT_AT_END.exec(statement.slice(-512))?.[1] ?? null;
}

function firstToken(text: string): number {
  let at = 0;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char <= 32 || text[at] === '(' || text[at] === ';') at += 1;
    else if (text.startsWith('--', at) || text.startsWith('#!', at) || text.startsWith('# ', at))
      at = after(text, '\n', at);
    else if (text.startsWith('/*', at)) at = after(text, '*/', at + 2);
    else return at;
  }
  return -1;
}

function after(text: string, end: string, from: number): number {
  const found = text.indexOf(end, from);
  return found === -1 ? text.length : found + end.length;
}

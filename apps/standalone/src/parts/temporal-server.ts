import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { TemporalProbe } from '@breakwater/adapter-temporal';
import { COMMAND_SEARCH_ATTRIBUTES } from '@breakwater/wire';

import type { Part } from '../supervise/part.ts';

const HOST = '127.0.0.1';
const PREPARE_TIMEOUT_MS = 20_000;
const PREPARE_PAUSE_MS = 1_000;
/** It is up within seconds, and has nothing long to read before: a start that takes longer than this is tried again. */
const READY_TIMEOUT_MS = 60_000;
/** Collects garbage half as often as Go does by default: less work, for some tens of megabytes. */
const GARBAGE_PERCENT = '200';
const runProgram = promisify(execFile);

export interface TemporalServerOptions {
  /** The program `temporal`. */
  readonly programPath: string;
  readonly dataFolder: string;
  readonly namespace: string;
  readonly frontendPort: number;
  readonly uiPort: number;
  readonly metricsPort: number;
  readonly stopLevel: number;
  readonly niceness: number;
}

/** Temporal's development server, which keeps its workflows in one SQLite file. */
export function temporalPart(options: TemporalServerOptions): Part {
  const { frontendPort, uiPort, metricsPort, namespace } = options;
  const probe = new TemporalProbe({ address: `${HOST}:${frontendPort}`, namespace, tls: false });
  return {
    name: 'temporal',
    command: options.programPath,
    args: temporalArguments(options),
    // The server would ask its makers on the internet for newer versions.
    env: { TEMPORAL_VERSION_CHECK_DISABLED: '1', GOGC: GARBAGE_PERCENT },
    niceness: options.niceness,
    readyTimeoutMs: READY_TIMEOUT_MS,
    startLevel: 0,
    stopLevel: options.stopLevel,
    ports: { grpc: frontendPort, ui: uiPort, metrics: metricsPort },
    probe: async () => (await probe.trouble()) === null && (await addSearchAttributes(options)),
  };
}

/**
 * Loopback only: neither the frontend nor the pages ask for a password. With the write-ahead log and a sync per
 * checkpoint in place of one per transaction it takes two to three times as many workflows; a kill of the process
 * loses nothing, a crash of the operating system may lose the last moments.
 */
export function temporalArguments(options: TemporalServerOptions): string[] {
  const settings: readonly (readonly [string, string])[] = [
    ['ip', HOST],
    ['port', String(options.frontendPort)],
    ['ui-ip', HOST],
    ['ui-port', String(options.uiPort)],
    ['metrics-port', String(options.metricsPort)],
    ['db-filename', join(options.dataFolder, 'temporal', 'temporal.db')],
    ['sqlite-pragma', 'journal_mode=wal'],
    ['sqlite-pragma', 'synchronous=normal'],
    ['namespace', options.namespace],
    ['log-format', 'json'],
    ['log-level', 'warn'],
  ];
  return ['server', 'start-dev', ...settings.flatMap(([name, value]) => [`--${name}`, value])];
}

/**
 * The server's own option makes them for a new file only; this adds those that a file of an older version lacks, and
 * does nothing where they are all there. Answers false, after a pause, when it has to be tried again.
 */
async function addSearchAttributes(options: TemporalServerOptions): Promise<boolean> {
  const names = Object.values(COMMAND_SEARCH_ATTRIBUTES);
  const args = ['operator', 'search-attribute', 'create', '--address', `${HOST}:${options.frontendPort}`];
  const attributes = names.flatMap((name) => ['--name', name, '--type', 'Keyword']);
  try {
    await runProgram(options.programPath, [...args, '--namespace', options.namespace, ...attributes], {
      env: withoutTemporalSettings(process.env),
      timeout: PREPARE_TIMEOUT_MS,
    });
    return true;
  } catch {
    // The server may have gone meanwhile; if it has, its exit is heard of elsewhere.
    await new Promise((resolve) => setTimeout(resolve, PREPARE_PAUSE_MS));
    return false;
  }
}

/** The program reads variables of the same names, which may mean another Temporal than ours. */
function withoutTemporalSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

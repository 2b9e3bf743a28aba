import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { platformSettings, readSettings } from '@breakwater/config';
import { z } from 'zod';

import { CliFailure } from '../cli-failure.ts';

/** Where an installation is to be reached. */
export interface Installation {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly redisUrl: string;
  readonly clickhouse: {
    readonly url: string;
    readonly user: string;
    readonly password: string;
    readonly database: string;
  };
  /** Of the broker that `npm start` runs; null where there is none. */
  readonly kafkaBrokers: string | null;
  /** Null for one that was not started by `npm start`. */
  readonly dataFolder: string | null;
}

export interface WhereToLook {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From the command line; each overrides the environment. */
  readonly url?: string;
  readonly key?: string;
  readonly data?: string;
}

/** The little of run.json that is needed to reach its parts. */
const runFile = z.object({
  supervisor: z.object({ pid: z.number() }),
  parts: z.array(
    z.object({ name: z.string(), ports: z.record(z.string(), z.number()), socket: z.string().optional() }),
  ),
});
type RunFile = z.output<typeof runFile>;

const NOT_RUNNING = 'INSTALLATION_NOT_RUNNING';

/**
 * What the settings name, and else what runs on the data folder. An installation in a cluster is named by settings
 * (`BREAKWATER_URL` or `--url`, `ADMIN_API_KEY`, `REDIS_URL`, `CLICKHOUSE_URL`), an embedded one by its folder alone.
 *
 * @throws CliFailure INSTALLATION_NOT_RUNNING
 */
export function findInstallation(look: WhereToLook): Installation {
  const { env } = look;
  const settings = readSettings(platformSettings, look.data === undefined ? env : { ...env, DATA_DIR: look.data });
  const dataFolder = resolve(settings.dataDir);
  const url = look.url ?? env['BREAKWATER_URL'] ?? '';
  const isNamed = url !== '' || (env['REDIS_URL'] ?? '') !== '';
  const running = isNamed && look.data === undefined ? null : readRunFile(dataFolder);
  const port = (part: string, name: string): number | undefined =>
    running?.parts.find((each) => each.name === part)?.ports[name];
  const kafkaPort = port('kafka', 'kafka');
  const socket = running?.parts.find(({ name }) => name === 'redis')?.socket;
  return {
    apiUrl: (url || `http://127.0.0.1:${port('api', 'http') ?? settings.httpPort}`).replace(/\/$/, ''),
    apiKey: look.key ?? (settings.adminApiKey || adminKeyIn(dataFolder, running)),
    redisUrl: socket === undefined ? settings.redisUrl : `unix://${socket}`,
    clickhouse: {
      url: running === null ? settings.clickhouseUrl : `http://127.0.0.1:${port('embedded-clickhouse', 'clickhouse')}`,
      user: settings.clickhouseUser,
      password: settings.clickhousePassword,
      database: settings.clickhouseDatabase,
    },
    kafkaBrokers: kafkaPort === undefined ? null : `127.0.0.1:${kafkaPort}`,
    dataFolder: running === null ? null : dataFolder,
  };
}

/** Whether a supervisor runs on this folder. */
export function isRunning(dataFolder: string): boolean {
  try {
    readRunFile(dataFolder);
    return true;
  } catch (error) {
    if (error instanceof CliFailure) return false;
    throw error;
  }
}

function readRunFile(dataFolder: string): RunFile {
  const path = join(dataFolder, 'run.json');
  const hint = 'start one with `npm start`, name its folder with DATA_DIR or --data, or its address with --url';
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CliFailure(NOT_RUNNING, `nothing runs on the data folder ${dataFolder}: ${hint}`, { cause });
  }
  const content = runFile.safeParse(jsonOf(text));
  if (!content.success || !isAlive(content.data.supervisor.pid)) {
    throw new CliFailure(NOT_RUNNING, `what ran on the data folder ${dataFolder} is gone: ${hint}`);
  }
  return content.data;
}

function adminKeyIn(dataFolder: string, running: RunFile | null): string {
  if (running === null) return '';
  try {
    return readFileSync(join(dataFolder, 'admin-key'), 'utf8').trim();
  } catch {
    // It was given by a setting then, and has to be given here as well: the API will say so.
    return '';
  }
}

/** A file that was cut off names nobody. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

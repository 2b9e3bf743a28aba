import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { errorCode } from './error-code.ts';
import { StartRefused } from './start-refused.ts';

/** Raised when the files below DATA_DIR change in a way that an older or newer platform could not read. */
export const DATA_FORMAT_VERSION = 1;

const MEGABYTE = 1024 * 1024;
const ADMIN_KEY_BYTES = 24;
const FOLDER_MODE = 0o700;

export interface Installation {
  readonly formatVersion: number;
  readonly partitions: number;
}

/** Makes the folders, and refuses one that cannot be written to or that has no space. */
export function prepareDataFolder(folder: string, freeMegabytesMin: number): void {
  try {
    for (const name of ['redis', 'kafka', 'clickhouse', 'temporal', 'logs']) makeFolder(join(folder, name));
    writeAtomically(join(folder, 'write-test'), '');
    rmSync(join(folder, 'write-test'));
  } catch (error) {
    throw refusalOf(error, folder);
  }
  const freeMegabytes = freeMegabytesOf(folder);
  if (freeMegabytes < freeMegabytesMin) {
    throw new StartRefused(
      'DISK_FULL',
      `The disk of DATA_DIR (${folder}) is full: ${freeMegabytes} MB free, ${freeMegabytesMin} MB are needed (DISK_FREE_MIN_MB)`,
    );
  }
}

/** Not by `recursive`: where nothing can be made, as below /proc, Node's own tries for ever. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  mkdirSync(path, { mode: FOLDER_MODE });
}

export function freeMegabytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return Math.floor((bavail * bsize) / MEGABYTE);
}

/**
 * The partition count and the format are part of the data: with another count every device would land on another
 * partition than the one that holds its twin.
 */
export function checkInstallation(folder: string, partitions: number): void {
  const path = join(folder, 'installation.json');
  const found = readInstallation(path);
  if (found === undefined) {
    writeAtomically(path, `${JSON.stringify({ formatVersion: DATA_FORMAT_VERSION, partitions })}\n`);
    return;
  }
  if (found.formatVersion !== DATA_FORMAT_VERSION) {
    throw new StartRefused(
      'DATA_FORMAT_MISMATCH',
      `DATA_DIR (${folder}) has data format ${found.formatVersion}, this version reads ${DATA_FORMAT_VERSION}: ` +
        'run the version that wrote it, or set another DATA_DIR',
    );
  }
  if (found.partitions !== partitions) {
    throw new StartRefused(
      'PARTITION_COUNT_MISMATCH',
      `DATA_DIR (${folder}) was made with ${found.partitions} partitions, PARTITIONS asks for ${partitions}: ` +
        `start with PARTITIONS=${found.partitions}, or set another DATA_DIR`,
    );
  }
}

/** The key of this installation: made on the first run and readable by the owner alone. */
export function adminKeyOf(folder: string, fromSetting: string): string {
  if (fromSetting !== '') return fromSetting;
  const path = join(folder, 'admin-key');
  const found = readIfPresent(path)?.trim();
  if (found !== undefined && found !== '') return found;
  const key = randomBytes(ADMIN_KEY_BYTES).toString('base64url');
  writeAtomically(path, `${key}\n`);
  return key;
}

function readInstallation(path: string): Installation | undefined {
  const content = readIfPresent(path);
  if (content === undefined) return undefined;
  try {
    return JSON.parse(content) as Installation;
  } catch {
    throw new StartRefused(
      'DATA_FORMAT_MISMATCH',
      `${path} cannot be read: restore it from a backup, or set another DATA_DIR`,
    );
  }
}

export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, and never readable by others, not even for a moment. */
export function writeAtomically(path: string, content: string): void {
  const next = `${path}.next`;
  writeFileSync(next, content, { mode: 0o600, flush: true });
  renameSync(next, path);
}

function refusalOf(error: unknown, folder: string): unknown {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StartRefused('DISK_FULL', `The disk of DATA_DIR (${folder}) is full`);
  if (code === undefined) return error;
  return new StartRefused('DATA_DIR_UNUSABLE', `DATA_DIR (${folder}) cannot be written to (${code})`);
}

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Homebrew puts programs; a shell that was not set up for it does not have them on its PATH. */
export const HOMEBREW_FOLDERS = process.platform === 'darwin' ? ['/opt/homebrew/bin', '/usr/local/bin'] : [];

export function findProgram(name, env = process.env) {
  const folders = [...(env.PATH ?? '').split(delimiter), ...HOMEBREW_FOLDERS];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram);
}

export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Absent, or not ours to run: both mean that it cannot be used.
    return false;
  }
}

import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Memory where there is such a folder: the bytes live for one statement and need no disk. */
const MEMORY_FOLDER = '/dev/shm';
/** Only here can a file without a name be opened again by its descriptor. */
const DESCRIPTORS: Partial<Record<NodeJS.Platform, string>> = { linux: '/proc/self/fd' };
const OWNER_ONLY = 0o600;

/**
 * The body of one insert at a time, as a file that the engine reads. The file has no name: nobody else can open it, and
 * it is gone with the process, however that ends.
 */
export class BodyFile {
  readonly #file: FileHandle;
  readonly path: string;

  private constructor(file: FileHandle, folder: string) {
    this.#file = file;
    this.path = join(folder, String(file.fd));
  }

  /** Null where the platform has no such files. */
  static async open(fallbackFolder: string): Promise<BodyFile | null> {
    const descriptors = DESCRIPTORS[process.platform];
    if (descriptors === undefined) return null;
    for (const folder of [MEMORY_FOLDER, fallbackFolder]) {
      const name = join(folder, `breakwater-body-${process.pid}`);
      try {
        const { O_RDWR, O_CREAT, O_EXCL } = constants;
        const file = await open(name, O_RDWR | O_CREAT | O_EXCL, OWNER_ONLY);
        await unlink(name);
        return new BodyFile(file, descriptors);
      } catch {
        // Not there, or not ours to write in: the next one, or bodies go without a file.
      }
    }
    return null;
  }

  /** What was there before is gone. False when there is no room for it: then the file is not to be read. */
  async put(body: Uint8Array): Promise<boolean> {
    try {
      await this.#file.truncate(0);
      for (let written = 0; written < body.length;) {
        const { bytesWritten } = await this.#file.write(body, written, body.length - written, written);
        written += bytesWritten;
      }
      return true;
    } catch {
      // A part of it may stay until the next one, which begins by cutting it off.
      return false;
    }
  }

  /** Gives the memory back. */
  async clear(): Promise<void> {
    // An insert that is done is not to fail for that; the next body cuts it off again.
    await this.#file.truncate(0).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

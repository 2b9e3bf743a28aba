import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { readCommands, type RedisCommand } from './resp-commands.ts';

const CHUNK_BYTES = 8 * 1024 * 1024;
/** A frame of the log and a commit are far smaller than this; what is larger is no such file. */
const COMMAND_BYTES_MAX = 64 * 1024 * 1024;
const INCREMENT_PATTERN = /\.(\d+)\.incr\.aof$/;

/**
 * Reads what a redis-server has written to its append-only file since the last look: every write, in the order in which
 * it was done, scripts as the writes they made. That is a recording that costs the running server nothing and cannot
 * miss anything. It needs a server that does not rewrite its file (`auto-aof-rewrite-percentage 0`).
 */
export class AppendOnlyFile {
  readonly #folder: string;
  #increment = 0;
  #offset = 0;

  constructor(redisFolder: string) {
    this.#folder = join(redisFolder, 'appendonlydir');
  }

  /** Tells of each transaction that is complete; a write outside of one is a transaction of its own. */
  async readOn(tell: (transaction: readonly RedisCommand[]) => void): Promise<void> {
    for (const { number, name } of await this.#increments()) {
      if (number < this.#increment) continue;
      if (number > this.#increment) this.#offset = 0;
      this.#increment = number;
      const file = await open(join(this.#folder, name));
      try {
        await this.#readFile(file, tell);
      } finally {
        await file.close();
      }
    }
  }

  async #increments(): Promise<readonly { readonly number: number; readonly name: string }[]> {
    const found = (await readdir(this.#folder)).flatMap((name) => {
      const number = INCREMENT_PATTERN.exec(name)?.[1];
      return number === undefined ? [] : [{ number: Number(number), name }];
    });
    return found.sort((left, right) => left.number - right.number);
  }

  /** What a killed server left half written is cut off when it starts again: so it is only read once it is complete. */
  async #readFile(file: FileHandle, tell: (transaction: readonly RedisCommand[]) => void): Promise<void> {
    let rest = Buffer.alloc(0);
    let transaction: RedisCommand[] | null = null;
    let at = this.#offset;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at + rest.length);
      if (bytesRead === 0) return;
      const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      if (bytes.length > COMMAND_BYTES_MAX) throw new Error(`a command of over ${bytes.length} bytes at ${at}`);
      const { commands, taken } = readCommands(bytes);
      for (const command of commands) {
        const name = (command[0] as Buffer).toString('latin1').toUpperCase();
        if (name === 'MULTI') transaction = [];
        else if (name === 'EXEC') {
          tell(transaction ?? []);
          transaction = null;
        } else if (transaction !== null) transaction.push(command);
        else tell([command]);
      }
      at += taken;
      rest = Buffer.from(bytes.subarray(taken));
      if (transaction === null) this.#offset = at;
    }
  }
}

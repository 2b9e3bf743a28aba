import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { PartLog } from './part-log.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bw-part-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the log of a part', () => {
  it('never holds more than twice its maximum, and keeps the newest lines', () => {
    const log = new PartLog(join(folder, 'a.log'), 100);
    for (let index = 0; index < 100; index += 1) log.write(`line ${index}`);
    const newest = readFileSync(join(folder, 'a.log.1'), 'utf8');
    expect(statSync(join(folder, 'a.log.1')).size).toBeLessThanOrEqual(110);
    expect(newest).toContain('line ');
    log.write('the last');
    log.close();
    expect(readFileSync(join(folder, 'a.log'), 'utf8')).toContain('the last');
  });

  it('loses lines rather than the platform when it cannot be written', () => {
    const log = new PartLog(join(folder, 'missing', 'a.log'));
    expect(() => log.write('nobody reads this')).not.toThrow();
  });

  it('continues the file of the run before', () => {
    for (const line of ['first run', 'second run']) {
      const log = new PartLog(join(folder, 'a.log'));
      log.write(line);
      log.close();
    }
    expect(readFileSync(join(folder, 'a.log'), 'utf8')).toBe('first run\nsecond run\n');
  });
});

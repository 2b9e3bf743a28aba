import { fileURLToPath } from 'node:url';

import { StartedProgram } from '@breakwater/observability/testing';
import { afterEach, describe, expect, it } from '@jest/globals';

const PART = fileURLToPath(new URL('fake-process.ts', import.meta.url));
const started: StartedProgram[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((program) => program.end('SIGKILL')));
});

function start(...args: readonly string[]): StartedProgram {
  const program = new StartedProgram([process.execPath, ...args], { env: { PATH: process.env['PATH'] } });
  started.push(program);
  return program;
}

const startPart = (): StartedProgram => start('--conditions=@breakwater/source', PART);

describe('a program that a test has started', () => {
  it('says its ports when it is ready, ends in order, and only once', async () => {
    const part = startPart();
    expect(await part.ready()).toEqual({});
    expect(part.hasEnded).toBe(false);
    expect(await part.end('SIGTERM')).toBe(0);
    expect(part.hasEnded).toBe(true);
    expect(await part.end('SIGKILL')).toBe(0);
    expect(part.output).toContain('"event":"stopped"');
  });

  it('has no exit code when a signal ended it', async () => {
    const part = startPart();
    await part.ready();
    expect(await part.end('SIGKILL')).toBeNull();
    expect(part.hasEnded).toBe(true);
  });

  it('shows its last words when it ends before it is ready', async () => {
    const program = start('-e', 'console.error("the disk is full"); process.exitCode = 3;');
    await expect(program.ready()).rejects.toThrow(/ended \(exit code 3\) before it was ready:\nthe disk is full/);
    expect(await program.ended()).toBe(3);
  });

  it('is an error when there is no such program', async () => {
    const program = new StartedProgram(['/there/is/none'], { env: {} });
    await expect(program.ready()).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await program.end('SIGKILL')).toBeNull();
  });
});

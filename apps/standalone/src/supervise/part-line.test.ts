import { describe, expect, it } from '@jest/globals';

import { LineSplitter } from './line-splitter.ts';
import { readPartLine } from './part-line.ts';

describe('a line of a part', () => {
  it('says that it is ready, and on which ports', () => {
    const line = '{"level":"info","event":"ready","ports":{"mqtt":1883,"odd":"x"},"msg":"ready"}';
    expect(readPartLine(line)).toEqual({ kind: 'ready', ports: { mqtt: 1883 } });
  });

  it('says why a start failed', () => {
    const line = '{"level":"fatal","event":"startFailed","code":"EADDRINUSE","msg":"port 1883 is taken"}';
    expect(readPartLine(line)).toEqual({ kind: 'startFailed', message: 'port 1883 is taken', code: 'EADDRINUSE' });
  });

  it.each(['', 'plain text', '{ not json', '[1]', '{"level":"info","msg":"quiet"}', '{"event":"ready"'])(
    'is kept as it is otherwise: %s',
    (line) => expect(readPartLine(line)).toEqual({ kind: 'plain', text: line }),
  );

  it.each([
    ['812:M 22 Nov 2026 11:43:26.505 # Fatal error loading the DB. Exiting.', 'Fatal error loading the DB. Exiting.'],
    [
      "SyntaxError: The requested module 'x' does not provide 'y'",
      "SyntaxError: The requested module 'x' does not provide 'y'",
    ],
    ['Error: Cannot find module', 'Error: Cannot find module'],
  ])('is a complaint: %s', (line, message) => expect(readPartLine(line)).toEqual({ kind: 'complaint', message }));

  it('is no complaint when Redis only gives advice', () => {
    const line = '812:C 22 Nov 2026 11:43:26.505 # WARNING Memory overcommit must be enabled!';
    expect(readPartLine(line).kind).toBe('plain');
  });

  it('is a warning from its level on, with the message of its error', () => {
    const line = '{"level":"error","msg":"append failed","err":{"message":"disk full"}}';
    expect(readPartLine(line)).toEqual({ kind: 'warning', level: 'error', message: 'append failed: disk full' });
  });
});

describe('the line splitter', () => {
  it('puts lines together from any pieces', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    for (const piece of ['a', 'b\nc', '\n\nd', 'e']) splitter.push(piece);
    splitter.end();
    expect(lines).toEqual(['ab', 'c', 'de']);
  });

  it('cuts a line that does not end', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    for (let index = 0; index < 3; index += 1) splitter.push('x'.repeat(40_000));
    splitter.end();
    expect(lines.map((line) => line.length)).toEqual([80_000, 40_000]);
  });
});

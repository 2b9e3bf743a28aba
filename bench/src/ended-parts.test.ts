import { describe, expect, it } from '@jest/globals';

import { endedParts, endedPartsText } from './ended-parts.ts';

const CONSOLE = `  \u001B[32m✓\u001B[39m redis    1.0 s
\u001B[33mtemporal\u001B[39m: ended (exit code 1, failed to start), starts again in 250 ms
\u001B[33mtemporal\u001B[39m: warn: ended (badly)
\u001B[33mredis\u001B[39m: ended (SIGKILL), starts again in 250 ms; the disk is full
\u001B[33mtemporal\u001B[39m: ended (SIGKILL), starts again in 500 ms
`;
const MARK = '{"level":"warn","event":"partEnded","msg":"ended"}';
const LOGS: Readonly<Record<string, string>> = {
  temporal: ['first', 'deadline exceeded', MARK, 'second', MARK, 'third', ''].join('\n'),
};

describe('endedParts', () => {
  const readLog = async (name: string): Promise<string> => LOGS[name] ?? '';

  it('tells each end with what the part had said until then', async () => {
    expect(await endedParts(CONSOLE, readLog)).toEqual([
      { name: 'temporal', how: 'exit code 1, failed to start', lastLines: ['first', 'deadline exceeded'] },
      { name: 'redis', how: 'SIGKILL', lastLines: [] },
      { name: 'temporal', how: 'SIGKILL', lastLines: ['second'] },
    ]);
  });

  it('keeps the newest lines of a long log', async () => {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    const ended = await endedParts(CONSOLE, async () => [...lines, MARK].join('\n'));
    // The log holds one end of two: the older one is what was cut off.
    expect(ended[0]?.lastLines).toEqual([]);
    expect(ended[2]?.lastLines).toHaveLength(20);
    expect(ended[2]?.lastLines.at(-1)).toBe('line 99');
  });

  it('is a text with the name, the end and the last lines', async () => {
    const text = endedPartsText(await endedParts(CONSOLE, readLog));
    expect(text).toContain('temporal ended (exit code 1, failed to start); its log ended with:\n    first\n');
  });
});

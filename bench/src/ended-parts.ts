import { stripVTControlCharacters } from 'node:util';

/** A part that ended and was started again, as the supervisor's console tells it. */
export interface EndedPart {
  readonly name: string;
  /** Its exit code or signal, and what it said of the reason. */
  readonly how: string;
  /** What its log held before the end, the newest line last. */
  readonly lastLines: readonly string[];
}

const TOLD_ENDS = /^(\S+): ended \((.*)\), starts again in \d+ ms/gm;
const LINES_KEPT = 20;
/** How the supervisor marks an end in the log of the part. */
const MARK = '"event":"partEnded"';

/** Ends of parts in the order in which they were told, each with the end of what its log held by then. */
export async function endedParts(
  console: string,
  readLog: (name: string) => Promise<string>,
): Promise<readonly EndedPart[]> {
  const matches = stripVTControlCharacters(console).matchAll(TOLD_ENDS);
  const ends = [...matches].map(([, name = '', how = '']) => ({ name, how }));
  const finished = new Map<string, string[][]>();
  for (const name of new Set(ends.map((end) => end.name))) {
    // What has been written since the last end belongs to a life that goes on. A log that was cut lacks the oldest.
    const lives = livesIn(await readLog(name)).slice(0, -1);
    const missing = ends.filter((end) => end.name === name).length - lives.length;
    finished.set(name, [...Array.from({ length: Math.max(0, missing) }, () => []), ...lives]);
  }
  return ends.map((end) => ({ ...end, lastLines: finished.get(end.name)?.shift()?.slice(-LINES_KEPT) ?? [] }));
}

/** For a person: which parts ended, and what each said last. */
export function endedPartsText(ended: readonly EndedPart[]): string {
  return ended
    .map(({ name, how, lastLines }) => [`${name} ended (${how}); its log ended with:`, ...lastLines].join('\n    '))
    .join('\n');
}

function livesIn(log: string): string[][] {
  const lives: string[][] = [[]];
  for (const line of log.split('\n').filter((text) => text !== '')) {
    if (line.includes(MARK)) lives.push([]);
    else lives.at(-1)?.push(line);
  }
  return lives;
}

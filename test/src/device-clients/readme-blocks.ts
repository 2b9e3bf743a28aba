import { readFileSync } from 'node:fs';

const README = 'README.md';
const DEVICE_HEADING = '## Connect a device';

/** The blocks of code under a heading of a page of this repository, in order, each with its language. */
function blocksOf(path: string, heading: string): readonly { readonly language: string; readonly code: string }[] {
  const page = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const start = page.indexOf(heading);
  if (start < 0) throw new Error(`${path} has no "${heading}"`);
  const end = page.indexOf('\n## ', start + heading.length);
  const part = end < 0 ? page.slice(start) : page.slice(start, end);
  return [...part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }));
}

/** All blocks of one language under a heading as one program, word by word. */
export function pageProgram(path: string, heading: string, language: string): string {
  const blocks = blocksOf(path, heading).filter((block) => block.language === language);
  if (blocks.length === 0) throw new Error(`${path} has no block of ${language} under "${heading}"`);
  return blocks.map(({ code }) => code).join('\n');
}

/** What the README says under "Connect a device". */
export function readmeProgram(language: string): string {
  return pageProgram(README, DEVICE_HEADING, language);
}

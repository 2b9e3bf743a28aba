import { readFileSync } from 'node:fs';

const HEADING = '## Connect a device';

/** The blocks of code under "Connect a device" in the README, in order, each with its language. */
export function readmeBlocks(): readonly { readonly language: string; readonly code: string }[] {
  const page = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const start = page.indexOf(HEADING);
  if (start < 0) throw new Error(`the README has no "${HEADING}"`);
  const end = page.indexOf('\n## ', start);
  return [...page.slice(start, end).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
    language,
    code,
  }));
}

/** All blocks of one language as one program, word by word. */
export function readmeProgram(language: string): string {
  const blocks = readmeBlocks().filter((block) => block.language === language);
  if (blocks.length === 0) throw new Error(`the README has no block of ${language}`);
  return blocks.map(({ code }) => code).join('\n');
}

/**
 * The workflows as Temporal's worker runs them: one file of code. Making it takes seconds and much memory, so the build
 * makes it once, beside this module. It carries a digest of all that went into it; one that does not fit what is there
 * is never used.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bundleWorkflowCode, type Logger as SdkLogger, type WorkflowBundle } from '@temporalio/worker';

const FILE = fileURLToPath(new URL('./workflow-bundle.cjs', import.meta.url));
const WORKFLOWS = fileURLToPath(import.meta.resolve('@breakwater/workflows/bundle'));
/** Where the code of workflows comes from, besides the SDK. */
const SOURCES = ['@breakwater/workflows/bundle', '@breakwater/twin', '@breakwater/wire'];
const DIGEST_LINE = /^\/\/ breakwater ([0-9a-f]{64})\n/;
const DIGEST_LINE_BYTES = 256;

/** The bundle of the build; made anew when there is none, or when it is of other sources. */
export async function workflowBundle(sdkLogger: SdkLogger): Promise<WorkflowBundle> {
  const digest = await digestOfSources();
  const built = await readFile(FILE, 'utf8').catch(() => '');
  if (DIGEST_LINE.exec(built.slice(0, DIGEST_LINE_BYTES))?.[1] === digest) return { code: built };
  return { code: await makeBundle(sdkLogger) };
}

/** Makes it for later starts. Answers false when the one that is there fits. */
export async function buildWorkflowBundle(sdkLogger: SdkLogger): Promise<boolean> {
  const digest = await digestOfSources();
  const built = await readFile(FILE, 'utf8').catch(() => '');
  if (DIGEST_LINE.exec(built.slice(0, DIGEST_LINE_BYTES))?.[1] === digest) return false;
  const code = `// breakwater ${digest}\n${await makeBundle(sdkLogger)}`;
  // A process that starts meanwhile sees the old one or the new one.
  await writeFile(`${FILE}.new`, code);
  await rename(`${FILE}.new`, FILE);
  return true;
}

async function makeBundle(logger: SdkLogger): Promise<string> {
  return (await bundleWorkflowCode({ workflowsPath: WORKFLOWS, logger })).code;
}

async function digestOfSources(): Promise<string> {
  const hash = createHash('sha256').update(sdkVersion());
  for (const source of SOURCES) {
    const folder = dirname(fileURLToPath(import.meta.resolve(source)));
    const names = await readdir(folder, { recursive: true });
    for (const name of names.filter((file) => file.endsWith('.js')).sort()) {
      hash.update(`\n${source}/${name}\n`).update(await readFile(join(folder, name)));
    }
  }
  return hash.digest('hex');
}

function sdkVersion(): string {
  return (createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string }).version;
}

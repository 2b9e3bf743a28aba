import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { deployFiles } from './deploy-files.ts';

/** `npm run docs`: writes the dashboards and what the chart has a copy of. A test fails when they are not current. */
const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
for (const [path, text] of deployFiles(rootFolder)) {
  mkdirSync(dirname(join(rootFolder, path)), { recursive: true });
  writeFileSync(join(rootFolder, path), text);
  process.stdout.write(`${path} is written\n`);
}

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { configurationPage } from './configuration-page.ts';

/** `npm run docs`: writes docs/configuration.md. A test fails when the page is not what this would write. */
const path = fileURLToPath(new URL('../../docs/configuration.md', import.meta.url));
writeFileSync(path, configurationPage());
process.stdout.write('docs/configuration.md is written\n');

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { runProgram, SetupRefused } from './run-step.mjs';

const HOST_NODE_MAJOR_MIN = 20;

/** The host's Node only runs this setup and npm; the platform itself runs on the Node that npm installs. */
export function checkHostNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < HOST_NODE_MAJOR_MIN) {
    throw new SetupRefused(`Node ${HOST_NODE_MAJOR_MIN} or newer is needed, this is ${process.version}`);
  }
}

export function platformNodePath(rootFolder) {
  return join(rootFolder, 'node_modules', 'node', 'bin', 'node');
}

function platformNodeVersion(rootFolder) {
  return JSON.parse(readFileSync(join(rootFolder, 'package.json'), 'utf8')).devDependencies.node;
}

export function verifyPlatformNode(rootFolder) {
  const path = platformNodePath(rootFolder);
  const wanted = `v${platformNodeVersion(rootFolder)}`;
  if (!existsSync(path)) {
    throw new SetupRefused(
      `the npm package "node" was installed without its program. Allow its install script (\`npm config get ignore-scripts\` must say false) and run setup again`,
    );
  }
  const found = runProgram(path, ['--version']).trim();
  if (found !== wanted)
    throw new SetupRefused(`Node ${wanted} is needed in node_modules, found ${found}: remove node_modules`);
  return { detail: `${found} from npm` };
}

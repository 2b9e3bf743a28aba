import { createServer } from 'node:net';

import { StartRefused } from './start-refused.ts';

export interface WantedPort {
  /** The setting that moves it. */
  readonly setting: string;
  readonly port: number;
  readonly host: string;
}

/** Tries every port before anything is started, so that one message names all that are taken. */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
  const problems: string[] = [];
  for (const { setting, port, host } of wanted) {
    const code = await bindError(port, host);
    if (code === 'EADDRINUSE') problems.push(`Port ${port} is in use: stop what listens there, or set ${setting}`);
    else if (code === 'EACCES') problems.push(`Port ${port} may not be used by this user: set ${setting} above 1023`);
    else if (code !== undefined)
      problems.push(`Port ${port} on ${host} cannot be used (${code}): see ${setting} and BIND_HOST`);
  }
  if (problems.length > 0) throw new StartRefused('PORT_IN_USE', problems.join('\n'));
}

function bindError(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

import type { AddressInfo, Server } from 'node:net';

import type { Logger } from '@breakwater/observability';
import type { ConnectionInput, Transport } from '@breakwater/mqtt-endpoint';
import { PlatformError } from '@breakwater/twin-runtime';

/** How long a peer may take to read the last bytes of a connection that ends. */
export const END_GRACE_MS = 200;

/** Connections that the system holds for us while we are busy: a whole fleet may come at once. */
const BACKLOG = 4_096;

export type Accept = (transport: Transport) => ConnectionInput;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
}

export interface Listener {
  readonly port: number;
  /** Accepts nothing more; settles when the last connection is gone. */
  close(): Promise<void>;
}

/** Any port that is free. In the settings 0 turns most listeners off, so it cannot stand for this. */
export const ANY_FREE_PORT = -1;

/** @throws PlatformError `PORT_IN_USE`, also where this user may not open the port. */
export function listen(server: Server, { host, port, logger }: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException): void => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
      reject(new PlatformError('PORT_IN_USE', `cannot listen on port ${port} of ${host}: ${why}`, { cause: error }));
    };
    server.once('error', refused);
    server.listen({ host, port: port === ANY_FREE_PORT ? 0 : port, backlog: BACKLOG }, () => {
      server.off('error', refused);
      // No more file descriptors, for example: the one connection is lost, the others go on.
      server.on('error', (error) => logger.error({ err: error }, 'a connection could not be accepted'));
      resolve((server.address() as AddressInfo).port);
    });
  });
}

import type { Connection } from '../connection/connection.ts';

/**
 * Which connection holds a device's session. A session key has at most one holder; a holder is replaced, never joined,
 * and an older one can no longer remove or answer for the newer one.
 */
export class SessionRegistry<Identity> {
  readonly #holders = new Map<string, Connection<Identity>>();

  get(sessionKey: string): Connection<Identity> | null {
    return this.#holders.get(sessionKey) ?? null;
  }

  /** Makes `connection` the holder and answers the one before, which the caller closes. */
  replace(sessionKey: string, connection: Connection<Identity>): Connection<Identity> | null {
    const previous = this.#holders.get(sessionKey) ?? null;
    this.#holders.set(sessionKey, connection);
    return previous;
  }

  release(sessionKey: string, connection: Connection<Identity>): void {
    if (this.#holders.get(sessionKey) === connection) this.#holders.delete(sessionKey);
  }

  holders(): Iterable<Connection<Identity>> {
    return this.#holders.values();
  }
}

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

type Verdict = (isAccepted: boolean, status?: number, reason?: string) => void;

const SUBPROTOCOL = 'graphql-transport-ws';

/**
 * A WebSocket is open before its client has said who it is, so strangers could hold as many as they like. Each has to
 * bring its key in time, and their number is bounded. All this happens on the TCP sockets below: the plugin keeps its
 * WebSocket server to itself.
 */
export class WebSocketLimits {
  readonly #initTimeoutMs: number;
  readonly #socketsMax: number;
  /** Open sockets, each with the timer that ends it, or null once the client has sent its key. */
  readonly #open = new Map<Socket, NodeJS.Timeout | null>();

  constructor(options: { readonly initTimeoutMs: number; readonly socketsMax: number }) {
    this.#initTimeoutMs = options.initTimeoutMs;
    this.#socketsMax = options.socketsMax;
  }

  /** Before the upgrade: the server takes the first protocol that the client offers, so that one has to be ours. */
  verifyClient(info: { readonly req: IncomingMessage }, verdict: Verdict): void {
    const offered = info.req.headers['sec-websocket-protocol']?.split(',')[0]?.trim();
    if (offered !== SUBPROTOCOL) return verdict(false, 400, `the protocol is ${SUBPROTOCOL}`);
    if (this.#open.size >= this.#socketsMax) return verdict(false, 503, 'too many connections');
    const { socket } = info.req;
    const timer = setTimeout(() => socket.destroy(), this.#initTimeoutMs);
    this.#open.set(socket, timer);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#open.delete(socket);
    });
    return verdict(true);
  }

  /** The client has sent its key: what follows is either accepted or closed. */
  initialised(socket: Socket): void {
    clearTimeout(this.#open.get(socket) ?? undefined);
    if (this.#open.has(socket)) this.#open.set(socket, null);
  }
}

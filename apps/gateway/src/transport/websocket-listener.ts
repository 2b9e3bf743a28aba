import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { Transport } from '@breakwater/mqtt-endpoint';
import { type WebSocket, WebSocketServer } from 'ws';

import { type Accept, END_GRACE_MS, type Listener } from './listener.ts';
import type { Peer } from './peer.ts';
import { listenStreams, type StreamListenOptions } from './stream-listener.ts';

const PATH = '/mqtt';
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1'];
/** Above this the peer counts as slow; the same as a TCP socket's. */
const HIGH_WATER_BYTES = 64 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const HANDSHAKE_HEADER_BYTES_MAX = 8 * 1024;
/** Close codes of RFC 6455. */
const CLOSE_NORMAL = 1000;
const CLOSE_NOT_BINARY = 1003;

export interface WebSocketListenOptions extends StreamListenOptions {
  /** A frame may hold several packets, or a part of one. */
  readonly frameBytesMax: number;
}

/** A stream that has yet to ask for a WebSocket. */
interface Waiting {
  readonly peer: Peer;
  readonly timer: NodeJS.Timeout;
}

/** MQTT over WebSocket, with TLS if there is a certificate: binary frames, path `/mqtt`, subprotocol `mqtt`. */
export async function listenWebSocket(options: WebSocketListenOptions, accept: Accept): Promise<Listener> {
  const waiting = new Map<Socket, Waiting>();
  // It never listens: it is handed streams. Its own time limits begin with listening, so each stream has one here.
  const httpServer = createServer({ maxHeaderSize: HANDSHAKE_HEADER_BYTES_MAX }, (_, response) =>
    response.writeHead(426, { 'content-type': 'text/plain' }).end('MQTT over WebSocket is at /mqtt\n'),
  );
  const server = new WebSocketServer({
    server: httpServer,
    path: PATH,
    maxPayload: options.frameBytesMax,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    verifyClient: ({ req }: { req: IncomingMessage }) => offersMqtt(req),
  });
  server.on('error', () => undefined);
  server.on('connection', (socket, request) => {
    const { peer, timer } = waiting.get(request.socket)!;
    clearTimeout(timer);
    waiting.delete(request.socket);
    connect(socket, peer, accept);
  });
  const listener = await listenStreams(options, (stream, peer) => {
    const timer = setTimeout(() => stream.destroy(), HANDSHAKE_TIMEOUT_MS);
    waiting.set(stream, { peer, timer });
    stream.once('close', () => {
      clearTimeout(timer);
      waiting.delete(stream);
    });
    httpServer.emit('connection', stream);
  });
  return {
    port: listener.port,
    close: () => {
      for (const stream of waiting.keys()) stream.destroy();
      return listener.close();
    },
  };
}

function offersMqtt(request: IncomingMessage): boolean {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return SUBPROTOCOLS.some((name) => offered.includes(name));
}

function connect(socket: WebSocket, peer: Peer, accept: Accept): void {
  let blocked = false;
  const transport: Transport = {
    ...peer,
    write: (bytes) => {
      socket.send(bytes, { binary: true }, () => {
        if (!blocked || socket.bufferedAmount > 0) return;
        blocked = false;
        input.drained();
      });
      blocked ||= socket.bufferedAmount >= HIGH_WATER_BYTES;
      return !blocked;
    },
    bytesQueued: () => socket.bufferedAmount,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => {
      socket.close(CLOSE_NORMAL);
      setTimeout(() => socket.terminate(), END_GRACE_MS).unref();
    },
    destroy: () => socket.terminate(),
  };
  const input = accept(transport);
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) input.receive(data);
    else socket.close(CLOSE_NOT_BINARY, 'MQTT is binary');
  });
  socket.on('error', () => undefined);
  socket.on('close', () => input.transportClosed());
}

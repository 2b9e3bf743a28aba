import { createServer, type Server } from 'node:net';

import { generate, type Packet, parser as createParser } from 'mqtt-packet';

const NOTHING = Buffer.alloc(0);

/**
 * The yardstick: the least that a server on mqtt-packet can do. It believes everything, keeps nothing, checks nothing
 * and acknowledges at once; the answers to one chunk leave with one write, as ours do.
 */
export function createBareServer(): Server {
  return createServer({ noDelay: true }, (socket) => {
    let version = 4;
    const parser = createParser();
    let answers: Buffer[] = [];
    const answer = (packet: Packet): void => void answers.push(generate(packet, { protocolVersion: version }));
    const handle = (packet: Packet): void => {
      switch (packet.cmd) {
        case 'connect':
          version = packet.protocolVersion ?? 4;
          answer({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false });
          return;
        case 'publish':
          if (packet.qos === 1) answer({ cmd: 'puback', messageId: packet.messageId as number });
          return;
        case 'subscribe':
          answer({ cmd: 'suback', messageId: packet.messageId as number, granted: [1] });
          return;
        case 'pingreq':
          return answer({ cmd: 'pingresp' });
        case 'disconnect':
          return void socket.end();
        default:
      }
    };
    parser.on('packet', handle);
    socket.on('data', (bytes) => {
      parser.parse(bytes);
      if (answers.length === 0) return;
      const written = answers.length === 1 ? (answers[0] ?? NOTHING) : Buffer.concat(answers);
      answers = [];
      if (socket.writable) socket.write(written);
    });
    socket.on('error', () => undefined);
  });
}

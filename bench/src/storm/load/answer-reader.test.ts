import { describe, expect, it } from '@jest/globals';
import { generate } from 'mqtt-packet';

import { ANSWERS, AnswerReader } from './answer-reader.ts';

const STREAM = Buffer.concat([
  generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }),
  generate({ cmd: 'puback', messageId: 1 }),
  generate({ cmd: 'pingresp' }),
  generate({ cmd: 'publish', topic: 't', payload: Buffer.alloc(300, 1), qos: 0, dup: false, retain: false }),
  generate({ cmd: 'puback', messageId: 65_535 }),
]);
const HEARD = [
  [ANSWERS.connack, 0],
  [ANSWERS.puback, 1],
  [13, 0],
  [3, 0],
  [ANSWERS.puback, 65_535],
];

describe('AnswerReader', () => {
  it.each([1, 2, 3, 7, 1_000])('reads answers that come in pieces of %d bytes', (size) => {
    const reader = new AnswerReader();
    const heard: (readonly number[])[] = [];
    for (let at = 0; at < STREAM.length; at += size) {
      const piece = STREAM.subarray(at, at + size);
      reader.read(piece, piece.length, (type, value) => heard.push([type, value]));
    }
    expect(heard).toEqual(HEARD);
  });

  it('takes no more than it is told of a buffer that held more before', () => {
    const heard: number[] = [];
    new AnswerReader().read(STREAM, 8, (type) => heard.push(type));
    expect(heard).toEqual([ANSWERS.connack, ANSWERS.puback]);
  });

  it('tells a refused connection', () => {
    const heard: number[] = [];
    const refused = generate({ cmd: 'connack', returnCode: 5, sessionPresent: false });
    new AnswerReader().read(refused, refused.length, (_, value) => heard.push(value & 0xff));
    expect(heard).toEqual([5]);
  });
});

import { describe, expect, it } from '@jest/globals';

import { ownBytes } from './own-bytes.ts';
import { telemetryLineHead } from './record.ts';

const SENDER = { tenant: 't', device: 'd', incarnation: 1, sessionEpoch: 2 } as never;

describe('ownBytes', () => {
  it.each([['text'], ['Maß'], ['\ud800'], [''], [Buffer.from('some bytes')]])('copies %p', (value) => {
    expect(ownBytes(value).equals(Buffer.from(value as string))).toBe(true);
  });

  it('keeps no block of memory beside the bytes', () => {
    for (const bytes of [ownBytes('text'), ownBytes(Buffer.from('some bytes')), telemetryLineHead(20_000, SENDER)]) {
      expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
    }
  });
});

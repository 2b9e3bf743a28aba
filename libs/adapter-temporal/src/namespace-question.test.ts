import { describe, expect, it } from '@jest/globals';

import { encodeNamespaceQuestion } from './namespace-question.ts';

describe('the question for a namespace', () => {
  it('is one gRPC frame with the name as field 1', () => {
    // 00 uncompressed, 00000005 length, 0a field 1, 03 length of the name, "dev".
    expect(encodeNamespaceQuestion('dev').toString('hex')).toBe('00000000050a03646576');
  });

  it('counts bytes, not letters, and takes names of more than 127 of them', () => {
    const frame = encodeNamespaceQuestion('ü'.repeat(100));
    expect(frame.subarray(0, 8).toString('hex')).toBe('00000000cb0ac801');
    expect(frame).toHaveLength(5 + 203);
  });
});

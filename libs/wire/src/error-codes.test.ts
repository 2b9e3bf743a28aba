import { REJECTION_CODES } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { ERROR_CODES } from './error-codes.ts';

describe('the error codes', () => {
  it('hold those that a twin answers with', () => {
    expect(ERROR_CODES).toEqual(expect.arrayContaining([...REJECTION_CODES]));
  });

  it('hold each code once', () => {
    expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
  });
});

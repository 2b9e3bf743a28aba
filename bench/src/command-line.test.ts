import { describe, expect, it } from '@jest/globals';

import { ArgumentInvalid, numberFromZero, positiveNumber, readArguments } from './command-line.ts';

describe('arguments of the programs', () => {
  it('that are no numbers are refused by name, instead of becoming one', () => {
    expect(positiveNumber('rate', '0.5')).toBe(0.5);
    expect(numberFromZero('spare', '0')).toBe(0);
    for (const text of ['one', '-1', '', 'NaN', 'Infinity']) {
      expect(() => positiveNumber('rate', text)).toThrow(ArgumentInvalid);
      expect(() => numberFromZero('spare', text)).toThrow(`--spare needs a number, 0 or above, not ${text}`);
    }
    expect(() => positiveNumber('rate', '0')).toThrow('--rate');
  });

  it('that nobody knows are refused with those that are known', () => {
    expect(readArguments({ rate: '5' }, ['--rate', '7'])).toEqual({ rate: '7' });
    expect(() => readArguments({ rate: '5' }, ['--rates', '7'])).toThrow('Known: --rate (5)');
  });
});

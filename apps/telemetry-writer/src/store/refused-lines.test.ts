import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { deadLetterOfLine, placeOfLine } from './dead-letter-of-line.ts';
import { findRefusedLines, replaceLines } from './refused-lines.ts';

const canRead = async (lines: Buffer) => !lines.toString().includes('bad');

describe('refused lines', () => {
  it('are found and replaced, whichever they are, and no other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), async (isBad) => {
        const body = Buffer.from(isBad.map((bad, index) => `${bad ? 'bad' : 'good'}${index}\n`).join(''));
        const refused = await findRefusedLines(body, 100, canRead);
        const replaced = replaceLines(body, refused ?? [], (line) => line.toString().replace('bad', 'dead'));
        const wanted = isBad.map((bad, index) => `${bad ? 'dead' : 'good'}${index}\n`).join('');
        expect(replaced.toString()).toBe(wanted);
      }),
    );
  });

  it('are given up when there are too many', async () => {
    expect(await findRefusedLines(Buffer.from('bad\nbad\nbad\n'), 2, canRead)).toBeNull();
  });

  it('cost few questions when there is one among many', async () => {
    let asked = 0;
    const body = Buffer.from(`${'good\n'.repeat(20_000)}bad\n${'good\n'.repeat(20_000)}`);
    const refused = await findRefusedLines(body, 10, async (lines) => {
      asked += 1;
      return canRead(lines);
    });
    expect(refused).toHaveLength(1);
    expect(asked).toBeLessThan(40);
  });

  it('become a dead letter at the same place, with their bytes, whatever they hold', () => {
    const line = Buffer.from(
      '{"e":5,"lid":"log","pt":3,"o":10,"k":"telemetry","day":1,"tenant":"t-1","device":"d:1","ra":86400001,' +
        '"p":[{"s":{"\ufffd',
    );
    const letter = JSON.parse(deadLetterOfLine(line, 1)) as { data: { payloadBase64: string } };
    expect(letter).toMatchObject({
      e: 5,
      lid: 'log',
      pt: 3,
      o: 10,
      k: 'deadLetter',
      tenant: 't-1',
      device: 'd:1',
      ra: 86_400_001,
      data: { code: 'INSERT_REFUSED' },
    });
    expect(Buffer.from(letter.data.payloadBase64, 'base64')).toEqual(line);
    expect(placeOfLine(line)).toEqual({ partition: 3, offset: 10, kind: 'telemetry', tenant: 't-1' });
  });
});

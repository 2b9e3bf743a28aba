import { describe, expect, it } from '@jest/globals';

import { controlFirst } from './control-first.ts';

function shards(...controls: readonly boolean[]) {
  return controls.map((hasControl, name) => ({ name, mailboxes: { control: { isEmpty: !hasControl } } }));
}

describe('the order of shards in a batch', () => {
  it('is control first, whoever has it, and by turns otherwise', () => {
    const waiting = shards(false, false, true, false, true);
    const namesOf = (turn: number): string =>
      controlFirst(waiting, turn)
        .map(({ name }) => name)
        .join('');
    expect(namesOf(0)).toBe('24013');
    expect(namesOf(1)).toBe('24130');
    expect(namesOf(3)).toBe('42301');
    expect(namesOf(5)).toBe(namesOf(0));
    expect(controlFirst([], 7)).toEqual([]);
  });
});

import { describe, expect, it } from '@jest/globals';

import { BodyBudget } from './http-body.ts';

describe('the budget of bodies', () => {
  it('refuses what is more than it has, keeps what it gave, and goes on when some is given back', () => {
    const budget = new BodyBudget(100);
    budget.take(60);
    expect(() => budget.take(41)).toThrow(/send it again later/);
    expect(budget.bytes).toBe(60);
    budget.take(40);
    budget.giveBack(60);
    budget.take(60);
    expect(budget.bytes).toBe(100);
  });
});

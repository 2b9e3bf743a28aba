import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { OperationAnswer, OperationAnswers } from '../ports/operation-answers.ts';
import { type ContractHarness, type HarnessMaker, passOf } from './contract-harness.ts';

const TRIES_MAX = 200;

/** What every carrier of operation answers must do. */
export function operationAnswersContract(name: string, maker: HarnessMaker<OperationAnswers>): void {
  describe(`operation answers contract: ${name}`, () => {
    let harness: ContractHarness<OperationAnswers>;
    beforeEach(async () => {
      harness = await maker.make(undefined);
    });
    afterEach(() => harness.cleanup());

    it('tells every listener, until it stops listening', async () => {
      const heard: [string, OperationAnswer][] = [];
      const stopOne = await harness.port.subscribe((answer) => heard.push(['one', answer]));
      const stopTwo = await harness.port.subscribe((answer) => heard.push(['two', answer]));
      await harness.port.publish([APPLIED, REJECTED]);
      await until(() => heard.length >= 4);
      const of = (who: string): OperationAnswer[] => heard.filter(([name]) => name === who).map(([, answer]) => answer);
      expect(of('one')).toEqual([APPLIED, REJECTED]);
      expect(of('two')).toEqual([APPLIED, REJECTED]);
      await stopOne();
      await harness.port.publish([APPLIED]);
      await until(() => heard.length >= 5);
      expect(of('one').length).toBe(2);
      await stopTwo();
      await harness.port.publish([APPLIED]);
      await passOf(harness)(20);
      expect(heard.length).toBe(5);
    });

    async function until(condition: () => boolean): Promise<void> {
      for (let tries = 0; tries < TRIES_MAX && !condition(); tries++) await passOf(harness)(20);
      expect(condition()).toBe(true);
    }
  });
}

const APPLIED: OperationAnswer = { operationId: 'op-1', outcome: { kind: 'applied', version: 3 } };
const REJECTED: OperationAnswer = {
  operationId: 'op-2',
  outcome: { kind: 'rejected', code: 'TWIN_VERSION_CONFLICT', detail: 'version is 3', version: 3 },
};

import type { Epoch } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { readCommands } from '../src/history/resp-commands.ts';
import { StoreHistory, type StoreOperation } from '../src/history/store-history.ts';
import { SimulatedStoreRun } from '../src/history/simulated-store-run.ts';

const OPERATIONS = 1_000_000;
/** Long enough for every kind of operation to have happened often. */
const SHORT_OPERATIONS = 20_000;
const TEST_MS_MAX = 120_000;

type Committed = StoreOperation & { kind: 'committed' };

/** Each changes one operation of a sound history, as a broken store would; the checker must say this of it. */
const PLANTED: readonly {
  readonly bug: string;
  readonly at: StoreOperation['kind'];
  readonly plant: (operation: never) => readonly StoreOperation[];
  readonly says: RegExp;
}[] = [
  {
    bug: 'a second owner who writes in the epoch of the first',
    at: 'committed',
    plant: (commit: Committed) => [{ ...commit, epoch: '1:somebody-else' as Epoch }],
    says: /epoch 1:somebody-else wrote in epoch/,
  },
  {
    bug: 'an epoch that is given out again',
    at: 'owned',
    plant: (owned: StoreOperation) => [owned, owned],
    says: /was given out after/,
  },
  {
    bug: 'a skipped offset',
    at: 'committed',
    plant: (commit: Committed) => [{ ...commit, to: { ...commit.to, telemetry: commit.to.telemetry + 1 } }],
    says: /records of telemetry have|was applied once more/,
  },
  {
    bug: 'a commit that is done twice',
    at: 'committed',
    plant: (commit: Committed) => [commit, commit],
    says: /was applied once more/,
  },
  {
    bug: 'a frame that is appended twice under one number',
    at: 'appended',
    plant: (append: StoreOperation & { kind: 'appended' }) => [
      append,
      { ...append, firstOffset: append.firstOffset + append.records },
    ],
    says: /append \d+ of .* came after its/,
  },
  {
    bug: 'a gap in the log',
    at: 'appended',
    plant: (append: StoreOperation & { kind: 'appended' }) => [{ ...append, firstOffset: append.firstOffset + 1 }],
    says: /a frame was appended at/,
  },
  {
    bug: 'a record without an outcome',
    at: 'committed',
    plant: (commit: Committed) => [
      { ...commit, outcomes: { ...commit.outcomes, telemetry: commit.outcomes.telemetry - 1 } },
    ],
    says: /records of telemetry have/,
  },
  {
    bug: 'a twin that is written from an old state',
    at: 'committed',
    plant: (commit: Committed) => [changeTwin(commit, (twin) => ({ ...twin, revision: (twin.revision ?? 0) - 1 }))],
    says: /had revision .* and was written as/,
  },
  {
    bug: 'a version that goes back',
    at: 'committed',
    plant: (commit: Committed) => [
      changeTwin(commit, (twin) => ({ ...twin, versions: twin.versions && { ...twin.versions, version: -1 } })),
    ],
    says: /went back from/,
  },
  {
    bug: 'records that are forgotten before the twins have them',
    at: 'trimmed',
    plant: (trim: StoreOperation & { kind: 'trimmed' }) => [{ ...trim, first: trim.first + 1_000_000 }],
    says: /was trimmed up to/,
  },
];

describe('the checker of histories', () => {
  it(
    'finds nothing in a million operations of a store that is sound',
    () => {
      const history = new StoreHistory();
      const run = new SimulatedStoreRun(1);
      while (history.operations < OPERATIONS) history.record(run.next());
      expect(history.violations).toEqual([]);
      expect(history.operations).toBeGreaterThanOrEqual(OPERATIONS);
    },
    TEST_MS_MAX,
  );

  it.each(PLANTED)('finds $bug', ({ at, plant, says }) => {
    const history = new StoreHistory();
    const run = new SimulatedStoreRun(2);
    let planted = false;
    while (history.operations < SHORT_OPERATIONS) {
      const operation = run.next();
      const isThere: boolean = !planted && operation.kind === at && history.operations > SHORT_OPERATIONS / 2;
      planted ||= isThere;
      for (const each of isThere ? plant(operation as never) : [operation]) history.record(each);
    }
    expect(planted).toBe(true);
    expect(history.violations.find((violation) => says.test(violation))).toBeDefined();
  });
});

describe('the commands of an append-only file', () => {
  it('are read as far as they are complete, whatever bytes they hold', () => {
    const whole = Buffer.from('*2\r\n$3\r\nDEL\r\n$2\r\n\r\n\r\n#TS:1\r\n*1\r\n$5\r\nMULTI\r\n');
    for (let length = 0; length <= whole.length; length++) {
      const { commands, taken } = readCommands(whole.subarray(0, length));
      expect(taken).toBeLessThanOrEqual(length);
      expect(readCommands(whole.subarray(taken)).commands.length + commands.length).toBe(2);
    }
  });

  it('are refused when they are none', () => {
    expect(() => readCommands(Buffer.from('hello'))).toThrow('no command starts at byte 0');
  });
});

function changeTwin(commit: Committed, change: (twin: Committed['twins'][number]) => Committed['twins'][number]) {
  return { ...commit, twins: commit.twins.map((twin, index) => (index === 0 ? change(twin) : twin)) };
}

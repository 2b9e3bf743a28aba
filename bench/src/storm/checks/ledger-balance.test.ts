import { describe, expect, it } from '@jest/globals';

import { ledgerImbalances } from './ledger-balance.ts';

const QUIET = { balanced: true, degraded: [], imbalances: [] };

function ledgerWith(consumer: { readonly inFlight: number; readonly applied: number }) {
  const { inFlight, applied } = consumer;
  const twins = { position: 9, inFlight, outcomes: { applied, noop: 1 } };
  return { partitions: [{ lane: 'telemetry', partition: 3, appended: 10, consumers: { twins } }], ...QUIET };
}

describe('ledgerImbalances', () => {
  it('is content when each record has one outcome or is in flight', () => {
    expect(ledgerImbalances(ledgerWith({ inFlight: 1, applied: 8 }))).toEqual([]);
  });

  it('names who has too few outcomes, or too many', () => {
    expect(ledgerImbalances(ledgerWith({ inFlight: 1, applied: 7 }))).toEqual([
      'twins of telemetry 3: 10 appended, 8 have an outcome, 1 are in flight',
    ]);
    expect(ledgerImbalances(ledgerWith({ inFlight: 0, applied: 10 }))).toHaveLength(1);
  });

  it('repeats what the platform found, once that lasts', () => {
    const imbalances = [
      { detail: 'offsets 3 to 4 are missing', since: 1_000 },
      { detail: 'read at a bad moment', since: null },
    ];
    expect(ledgerImbalances({ ...QUIET, partitions: [], imbalances })).toEqual([
      'the ledger says: offsets 3 to 4 are missing',
    ]);
  });

  it('takes the word of a ledger that does not balance, whatever it names', () => {
    expect(ledgerImbalances({ ...QUIET, balanced: false, partitions: [] })).toEqual([
      'the ledger says that it does not balance',
    ]);
  });

  it('does not take silence for balance', () => {
    expect(ledgerImbalances({ ...QUIET, partitions: [], degraded: ['writer'] })).toEqual([
      'the ledger of writer cannot be read',
    ]);
  });
});

import type { Aftermath } from '../broken-promises.ts';

/** What is left behind by a load after which all is well. */
export const KEPT: Aftermath = {
  unacknowledged: 0,
  connectionsLost: 0,
  disordered: 0,
  rows: {
    acknowledged: 1_000,
    stored: 1_000,
    lost: 0,
    duplicated: 0,
    foreign: 0,
    incomplete: 0,
    wrongRollups: 0,
    examples: [],
  },
  twins: { twins: 10, wrongTwins: 0, falselyDisconnected: 0, examples: [] },
  ledgerImbalances: [],
  overCap: [],
  ended: [],
  shed: 0,
};

import { describe, expect, it } from '@jest/globals';

import { type Aftermath, brokenPromises } from './broken-promises.ts';
import { overCap } from './memory-caps.ts';
import { KEPT } from './testing/kept-promises.ts';

const MIB = 1024 * 1024;

describe('brokenPromises', () => {
  it('says nothing of a load after which all is well', () => {
    expect(brokenPromises('spike', KEPT)).toEqual([]);
  });

  it.each<readonly [string, Partial<Aftermath>]>([
    ['spike: 1 acknowledged events are not stored', { rows: { ...KEPT.rows, lost: 1 } }],
    ['spike: 2 events are stored more than once', { rows: { ...KEPT.rows, duplicated: 2 } }],
    ['spike: 1 stored events were never sent', { rows: { ...KEPT.rows, foreign: 1 } }],
    ['spike: 1 devices have events without all their rows', { rows: { ...KEPT.rows, incomplete: 1 } }],
    ['spike: 1 rollups differ from their rows', { rows: { ...KEPT.rows, wrongRollups: 1 } }],
    ['spike: 3 twins do not hold their last acknowledged event', { twins: { ...KEPT.twins, wrongTwins: 3 } }],
    ['spike: 1 connected devices are shown as disconnected', { twins: { ...KEPT.twins, falselyDisconnected: 1 } }],
    ['spike: 4 events were never acknowledged', { unacknowledged: 4 }],
    ['spike: 1 acknowledgements came out of order', { disordered: 1 }],
    ['spike: 1 connections were closed', { connectionsLost: 1 }],
    ['spike: 5 messages were shed, and all were of QoS 1', { shed: 5 }],
    ['spike: twins of telemetry 3: no balance', { ledgerImbalances: ['twins of telemetry 3: no balance'] }],
    ['spike: gateway took too much', { overCap: ['gateway took too much'] }],
    ['spike: gateway ended', { ended: ['gateway'] }],
  ])('says: %s', (sentence, change) => {
    expect(brokenPromises('spike', { ...KEPT, ...change })).toEqual([sentence]);
  });
});

describe('overCap', () => {
  it('names processes over their own cap, and never the load generator', () => {
    const over = overCap([
      { name: 'gateway', cpuSeconds: 1, peakBytes: 599 * MIB },
      { name: 'twin-worker-1', cpuSeconds: 1, peakBytes: 601 * MIB },
      { name: 'embedded-clickhouse', cpuSeconds: 1, peakBytes: 1_199 * MIB },
      { name: 'load generator', cpuSeconds: 1, peakBytes: 5_000 * MIB },
    ]);
    expect(over).toEqual(['twin-worker-1 took 601 MiB, its cap is 600 MiB']);
  });
});

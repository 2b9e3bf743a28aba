import type { DrainOptions } from '@breakwater/mqtt-endpoint';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { drainDevices } from './drain-devices.ts';

const SETTINGS = { drainMs: 5_000, drainConnectionsPerSecond: 100, drainSpreadMsMax: 10_000, serverReference: '' };

describe('devices that are sent away', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const asked = async (connectionCount: number, settings: Partial<typeof SETTINGS> = {}): Promise<DrainOptions> => {
    const drain = jest.fn<(options: DrainOptions) => Promise<void>>(() => Promise.resolve());
    await drainDevices({ connectionCount, sweep: () => undefined, drain }, { ...SETTINGS, ...settings });
    return drain.mock.calls[0]![0];
  };

  it('are so many in each tenth of a second that the rate is kept', async () => {
    expect(await asked(500)).toEqual({ timeoutMs: 10_000, batchMax: 10 });
  });

  it('are more at a time where the rate would take too long', async () => {
    expect(await asked(50_000)).toEqual({ timeoutMs: 15_000, batchMax: 496 });
  });

  it('may be few, or none', async () => {
    expect(await asked(3)).toEqual({ timeoutMs: 5_030, batchMax: 3 });
    expect(await asked(0)).toEqual({ timeoutMs: 5_000, batchMax: 1 });
  });

  it('are told where to go if somebody says so', async () => {
    expect(await asked(0, { serverReference: 'other:1883' })).toMatchObject({ serverReference: 'other:1883' });
  });

  it('are looked after until it is over, even when it fails', async () => {
    const sweep = jest.fn();
    let fail = (): void => undefined;
    const drain = (): Promise<void> => new Promise((_, reject) => (fail = () => reject(new Error('no'))));
    const drained = drainDevices({ connectionCount: 1, sweep, drain }, SETTINGS);
    jest.advanceTimersByTime(1_000);
    expect(sweep).toHaveBeenCalledTimes(10);
    fail();
    await expect(drained).rejects.toThrow('no');
    expect(jest.getTimerCount()).toBe(0);
  });
});

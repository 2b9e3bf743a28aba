import { type Installation, LoadGenerator, PlatformClient } from '@breakwater/bench';

import { CONDITION_TIMEOUT_MS, expectExactlyOnce } from './platform-steps.ts';

export interface DisturbedLoad {
  /** New ones, named after the prefix and a number from 0 on. */
  readonly devices: { readonly prefix: string; readonly count: number };
  readonly eventsPerSecond: number;
  readonly seconds: number;
  /** What happens while events come. `load` settles when the last one was sent. */
  readonly meanwhile: (load: Promise<void>) => Promise<void>;
}

/** Every event that devices send is acknowledged in the end, stored once, and applied, whatever happens meanwhile. */
export async function exactlyOnceUnderLoad(
  installation: Installation,
  { devices, eventsPerSecond, seconds, meanwhile }: DisturbedLoad,
): Promise<void> {
  const logins = await new PlatformClient(installation).registerDevices(devices.prefix, devices.count);
  const generator = new LoadGenerator({ logins, host: '127.0.0.1', port: installation.mqttPort });
  try {
    await generator.connect();
    const load = generator.run([{ eventsPerSecond, seconds }]);
    await meanwhile(load);
    await load;
    const unacknowledged = await generator.settle(CONDITION_TIMEOUT_MS);
    if (unacknowledged !== 0) throw new Error(`${unacknowledged} events were never acknowledged`);
    await expectExactlyOnce(installation, generator, eventsPerSecond * seconds);
  } finally {
    // Its devices would connect for ever, and spoil the suites that follow in this process.
    generator.close();
  }
}

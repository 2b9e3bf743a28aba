import { type Installation, PlatformClient } from '@breakwater/bench';

import { openLoad } from './open-load.ts';
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
  const generator = await openLoad(installation, logins);
  const load = generator.run([{ eventsPerSecond, seconds }]);
  await meanwhile(load);
  await load;
  const unacknowledged = await generator.settle(CONDITION_TIMEOUT_MS);
  if (unacknowledged !== 0) throw new Error(`${unacknowledged} events were never acknowledged`);
  await expectExactlyOnce(installation, generator, eventsPerSecond * seconds);
  generator.close();
}

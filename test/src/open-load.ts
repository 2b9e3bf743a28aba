import { type DeviceLogin, LoadGenerator } from '@breakwater/bench';

import { afterThisTest } from './after-this-test.ts';

/** Connected devices that send what they are told to, and are gone with the test. */
export async function openLoad(
  { mqttPort }: { readonly mqttPort: number },
  logins: readonly DeviceLogin[],
): Promise<LoadGenerator> {
  const generator = new LoadGenerator({ logins, host: '127.0.0.1', port: mqttPort });
  afterThisTest(() => generator.close());
  await generator.connect();
  return generator;
}

import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';

import { afterThisTest } from './after-this-test.ts';
import { until } from './platform-steps.ts';

/** A device of the test's own making, which is gone with it. It tries until it is let in: a gateway may just start. */
export async function connectDevice(mqttPort: number, options: IClientOptions): Promise<MqttClient> {
  let connected: MqttClient | null = null;
  await until(`port ${mqttPort} to let a device in`, async () => {
    connected = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, options, false);
    return true;
  });
  const device = connected as unknown as MqttClient;
  // Its end is not awaited: a client whose connection is gone already never says that it is.
  afterThisTest(() => void device.end(true));
  // A gateway that ends closes connections, and that is no failure of the device.
  device.on('error', () => undefined);
  return device;
}

import { suiteFile } from '../mqtt-harness/suites/suite-programs.ts';
import type { DeviceClient } from './device-session.ts';
import { runDeviceProgram } from './program-device.ts';

/** `python` has the client of paho, see `providePahoPython`. */
export function pahoPythonDevice(version: 4 | 5, python: () => string): DeviceClient {
  return {
    name: `paho Python, MQTT ${version === 4 ? '3.1.1' : '5'}`,
    run: (session) => {
      const args = [suiteFile('paho-device.py'), session.host, String(session.port), session.token, String(version)];
      return runDeviceProgram(python(), args, session);
    },
  };
}

/** `program` is what `providePahoGoDevice` built. */
export function pahoGoDevice(program: () => string): DeviceClient {
  return {
    name: 'paho Go, MQTT 3.1.1',
    run: (session) => runDeviceProgram(program(), [session.host, String(session.port), session.token], session),
  };
}

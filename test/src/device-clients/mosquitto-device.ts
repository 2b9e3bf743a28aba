import { runToEnd } from '../mqtt-harness/suites/suite-programs.ts';
import {
  CLIENT_TIMEOUT_MS,
  DESIRED_TOPIC,
  REPORTED,
  REPORTED_TOPIC,
  TELEMETRY_COUNT,
  TELEMETRY_TOPIC,
  type DeviceClient,
  type DeviceReport,
  type DeviceSession,
} from './device-session.ts';

/**
 * mosquitto_pub and mosquitto_sub as one device, one after the other: a device has one connection, and the newer wins.
 * They wait for all acknowledgements before they end, so their exit code is what they know.
 */
export function mosquittoDevice(version: 'mqttv311' | 'mqttv5'): DeviceClient {
  return { name: `mosquitto clients, ${version}`, run: (session) => runSession(session, version) };
}

async function runSession(session: DeviceSession, version: string): Promise<DeviceReport> {
  const run = async (program: string, options: readonly string[]): Promise<string> => {
    const login = ['-h', session.host, '-p', String(session.port), '-u', session.token, '-V', version, '-q', '1'];
    const { code, output } = await runToEnd(program, [...login, ...options], { timeoutMs: CLIENT_TIMEOUT_MS });
    if (code !== 0) throw new Error(`${program} ended with ${String(code)}\n${output}`);
    return output;
  };
  for (let seq = 1; seq <= TELEMETRY_COUNT; seq += 1) {
    await run('mosquitto_pub', ['-t', TELEMETRY_TOPIC, '-m', JSON.stringify({ seq })]);
  }
  await run('mosquitto_pub', ['-t', REPORTED_TOPIC, '-m', JSON.stringify(REPORTED)]);
  await session.subscribed();
  const delta = await run('mosquitto_sub', ['-t', DESIRED_TOPIC, '-C', '1']);
  return { lastAcknowledged: TELEMETRY_COUNT, interval: (JSON.parse(delta) as { interval: number }).interval };
}

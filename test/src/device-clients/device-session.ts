/** What every client is put through, whoever wrote it: the first hour of a device with the platform, in small. */
export interface DeviceSession {
  readonly host: string;
  readonly port: number;
  /** Of the WebSocket listener. */
  readonly webSocketPort: number;
  readonly token: string;
  /** Called when the client has subscribed: now somebody wants `{ interval: WANTED_INTERVAL }` of the device. */
  readonly subscribed: () => Promise<void>;
}

/** What the client knows at its end. */
export interface DeviceReport {
  /** The newest telemetry whose acknowledgement came. */
  readonly lastAcknowledged: number;
  /** The interval that the platform asked for. */
  readonly interval: number;
}

/** One client of somebody else, in one version of MQTT, over one transport. */
export interface DeviceClient {
  readonly name: string;
  run(session: DeviceSession): Promise<DeviceReport>;
}

export const TELEMETRY_TOPIC = 'v1/devices/me/telemetry';
export const REPORTED_TOPIC = 'v1/devices/me/twin/reported';
export const ACCEPTED_TOPIC = 'v1/devices/me/twin/reported/accepted';
export const DESIRED_TOPIC = 'v1/devices/me/twin/desired';
export const TWIN_FILTER = 'v1/devices/me/twin/#';
export const REPORTED = { fw: '1.0' };
export const WANTED_INTERVAL = 5;
export const TELEMETRY_COUNT = 10;
export const CLIENT_TIMEOUT_MS = 120_000;

/** The first value that answers true, or an error that names what never came. Wide, because machines are busy. */
export async function waitFor(what: string, condition: () => boolean): Promise<void> {
  const endMs = Date.now() + CLIENT_TIMEOUT_MS;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited ${CLIENT_TIMEOUT_MS} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

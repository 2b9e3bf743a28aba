import { styleText } from 'node:util';

import type { FirstDevice } from './first-device.ts';

export interface BannerOptions {
  readonly httpPort: number;
  readonly mqttPort: number;
  readonly mqttWebSocketPort: number;
  /** Only where a certificate is configured. */
  readonly tls: { readonly mqttTlsPort: number; readonly mqttWebSocketTlsPort: number } | null;
  readonly adminKey: string;
  readonly dataFolder: string;
  readonly device: FirstDevice | undefined;
  readonly log: string;
  readonly temporal: string;
  readonly tookMs: number;
}

/** What a newcomer needs next: where everything is, and lines that work when they are copied. */
export function banner(options: BannerOptions): string {
  const api = `http://localhost:${options.httpPort}`;
  const webSocket = options.mqttWebSocketPort === 0 ? '' : `, ws://localhost:${options.mqttWebSocketPort}/mqtt`;
  const title = (text: string): string => styleText('bold', text);
  return [
    '',
    title(`Breakwater is ready after ${(options.tookMs / 1000).toFixed(1)} s`),
    `  API         ${api}/api/v1, to read and to try at ${api}/api`,
    `  MQTT        mqtt://localhost:${options.mqttPort}${webSocket}`,
    ...tlsLines(options.tls),
    `  event log   ${options.log}`,
    `  Temporal    ${options.temporal}`,
    `  admin key   ${options.adminKey}`,
    `  data        ${options.dataFolder}`,
    '',
    ...(options.device === undefined ? createDeviceLines(options, api) : deviceLines(options, api, options.device)),
    '',
    'Ctrl-C stops everything in order; the next start continues here.',
    '',
  ].join('\n');
}

function tlsLines(tls: BannerOptions['tls']): string[] {
  const urls = [
    ...(tls === null || tls.mqttTlsPort === 0 ? [] : [`mqtts://localhost:${tls.mqttTlsPort}`]),
    ...(tls === null || tls.mqttWebSocketTlsPort === 0 ? [] : [`wss://localhost:${tls.mqttWebSocketTlsPort}/mqtt`]),
  ];
  return urls.length === 0 ? [] : [`  with TLS    ${urls.join(', ')}`];
}

function deviceLines(options: BannerOptions, api: string, device: FirstDevice): string[] {
  const url = `${api}/api/v1/devices/${device.id}`;
  const key = `-H 'Authorization: Bearer ${options.adminKey}'`;
  return [
    `Send a measurement as the device "${device.id}", which was made for you:`,
    `  mosquitto_pub -p ${options.mqttPort} -q 1 -i ${device.id} -u ${device.token} -t v1/devices/me/telemetry -m '{"temperature":21.5}'`,
    'See what its twin knows, and what was stored:',
    `  curl -s ${key} ${url}/twin`,
    `  curl -s ${key} ${url}/telemetry`,
    'Ask the device for something, and watch it arrive; the first line stays, so open a second terminal for it.',
    'A device has one connection: while this one listens, the line that sends a measurement would end it.',
    `  mosquitto_sub -p ${options.mqttPort} -q 1 -i ${device.id} -u ${device.token} -t v1/devices/me/twin/desired`,
    `  curl -s -X PATCH ${key} -H 'Content-Type: application/json' -d '{"desired":{"interval":10}}' ${url}/twin`,
  ];
}

function createDeviceLines(options: BannerOptions, api: string): string[] {
  return [
    'Make a device; the answer holds the token with which it speaks MQTT:',
    `  curl -s -X POST -H 'Authorization: Bearer ${options.adminKey}' -H 'Content-Type: application/json' -d '{"id":"my-device"}' ${api}/api/v1/devices`,
    `  mosquitto_pub -p ${options.mqttPort} -q 1 -i my-device -u TOKEN -t v1/devices/me/telemetry -m '{"temperature":21.5}'`,
  ];
}

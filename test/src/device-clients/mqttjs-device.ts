import { MqttClient, type IClientOptions } from 'mqtt';
import { connect } from 'node:net';
import { createWebSocketStream, WebSocket } from 'ws';

import {
  ACCEPTED_TOPIC,
  DESIRED_TOPIC,
  REPORTED,
  REPORTED_TOPIC,
  TELEMETRY_COUNT,
  TELEMETRY_TOPIC,
  TWIN_FILTER,
  waitFor,
  type DeviceClient,
  type DeviceReport,
  type DeviceSession,
} from './device-session.ts';

export function mqttJsDevice(version: 4 | 5, transport: 'tcp' | 'WebSocket'): DeviceClient {
  const name = `MQTT.js, MQTT ${version === 4 ? '3.1.1' : '5'}, ${transport}`;
  return { name, run: (session) => runSession(session, { version, transport }) };
}

async function runSession(
  session: DeviceSession,
  how: { readonly version: 4 | 5; readonly transport: 'tcp' | 'WebSocket' },
): Promise<DeviceReport> {
  const options: IClientOptions = { protocolVersion: how.version, username: session.token, reconnectPeriod: 0 };
  // It is given the stream: its own support of WebSocket does not load under the export conditions of the tests.
  const open = () =>
    how.transport === 'tcp'
      ? connect({ host: session.host, port: session.port })
      : createWebSocketStream(new WebSocket(`ws://${session.host}:${session.webSocketPort}/mqtt`, 'mqtt'));
  const client = new MqttClient(open, options);
  const failed = new Promise<never>((_, reject) => {
    client.once('error', reject);
    // It does not connect again, and would wait for answers for ever.
    client.once('close', () => reject(new Error('the connection was closed')));
  });
  const received = new Map<string, Record<string, unknown>>();
  client.on('message', (topic, payload) => {
    received.set(topic, { ...received.get(topic), ...(JSON.parse(payload.toString()) as Record<string, unknown>) });
  });
  const run = async (): Promise<DeviceReport> => {
    await waitFor('CONNACK', () => client.connected);
    await client.subscribeAsync(TWIN_FILTER, { qos: 1 });
    await session.subscribed();
    let lastAcknowledged = 0;
    for (let seq = 1; seq <= TELEMETRY_COUNT; seq += 1) {
      await client.publishAsync(TELEMETRY_TOPIC, JSON.stringify({ seq }), { qos: seq % 2 === 0 ? 1 : 2 });
      lastAcknowledged = seq;
    }
    await client.publishAsync(REPORTED_TOPIC, JSON.stringify(REPORTED), { qos: 1 });
    await waitFor('reported/accepted', () => received.has(ACCEPTED_TOPIC));
    await waitFor('the desired interval', () => received.get(DESIRED_TOPIC)?.['interval'] !== undefined);
    return { lastAcknowledged, interval: Number(received.get(DESIRED_TOPIC)?.['interval']) };
  };
  try {
    return await Promise.race([run(), failed]);
  } finally {
    await client.endAsync();
  }
}

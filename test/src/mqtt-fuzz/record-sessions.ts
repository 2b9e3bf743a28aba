import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Installation, PlatformClient } from '@breakwater/bench';
import { connectAsync, type IClientOptions } from 'mqtt';

import { WANTED_INTERVAL, type DeviceClient } from '../device-clients/device-session.ts';
import { mosquittoDevice } from '../device-clients/mosquitto-device.ts';
import { mqttJsDevice } from '../device-clients/mqttjs-device.ts';
import { pahoGoDevice, pahoPythonDevice } from '../device-clients/paho-devices.ts';
import { smallDevice } from '../device-clients/small-client.ts';
import { HarnessServer } from '../mqtt-harness/harness-server.ts';
import { providePahoGoDevice, providePahoPython } from '../mqtt-harness/suites/outside-programs.ts';
import { runOrThrow, suiteFile } from '../mqtt-harness/suites/suite-programs.ts';
import { patchTwin } from '../platform-steps.ts';
import { RecordingProxy } from './recording-proxy.ts';
import { recordingOf } from './recordings.ts';

/**
 * `npm run mqtt:record` makes the recordings of `test/mqtt/recordings` again: it runs each client once, as a device on
 * the platform and as a client of the harness, and writes down what it sends. Needed only when clients change.
 */
const TIMEOUT_MS = 60_000;
/** Stands in the place of a token, byte for byte, so that whoever replays a session can put in one of its own. */
const TOKEN_FILLER = 'T';

const PYTHON_SESSION = `
import sys
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "python", protocol=mqtt.MQTTv5)
connect = Properties(PacketTypes.CONNECT)
connect.SessionExpiryInterval, connect.UserProperty = 60, [("a", "1"), ("a", "2")]
client.will_set("will/topic", b"gone", qos=2)
client.connect("127.0.0.1", int(sys.argv[1]), clean_start=True, properties=connect)
client.loop_start()
client.subscribe([("a/#", mqtt.SubscribeOptions(2, noLocal=False, retainAsPublished=True, retainHandling=1))])
publish = Properties(PacketTypes.PUBLISH)
publish.MessageExpiryInterval, publish.ResponseTopic, publish.CorrelationData = 9, "a/r", b"12"
for qos in (0, 1, 2):
    client.publish("a/b", "payload", qos, properties=publish).wait_for_publish(10)
client.unsubscribe("a/#")
client.disconnect()
client.loop_stop()
`;

const MQTT5_OPTIONS = ['-D', 'publish', 'user-property', 'name', 'value', '-D', 'publish', 'content-type', 'text'];

await recordDevices();
await recordHarnessClients();

async function recordDevices(): Promise<void> {
  const [python, program] = [await providePahoPython(), await providePahoGoDevice()];
  const clients: readonly (readonly [string, DeviceClient])[] = [
    ['device-mqttjs-4', mqttJsDevice(4, 'tcp')],
    ['device-mqttjs-5', mqttJsDevice(5, 'tcp')],
    ['device-paho-python-4', pahoPythonDevice(4, () => python)],
    ['device-paho-python-5', pahoPythonDevice(5, () => python)],
    ['device-paho-go-4', pahoGoDevice(() => program)],
    ['device-mosquitto-4', mosquittoDevice('mqttv311')],
    ['device-mosquitto-5', mosquittoDevice('mqttv5')],
    ['device-small-4', smallDevice('ESP-IDF')],
  ];
  const installation = await Installation.start();
  try {
    for (const [name, client] of clients) {
      const [login] = await new PlatformClient(installation).registerDevices(name, 1);
      const { id = '', token = '' } = login ?? {};
      const proxy = new RecordingProxy(installation.mqttPort);
      const port = await proxy.listen();
      const subscribed = async (): Promise<void> => {
        await patchTwin(installation, id, { desired: { interval: WANTED_INTERVAL } });
      };
      await client.run({ host: '127.0.0.1', port, webSocketPort: 0, token, subscribed });
      await proxy.close();
      write(name, proxy.connections, token);
    }
  } finally {
    await installation.stop();
    await installation.remove();
  }
}

/** What devices seldom send: wills, retained messages, QoS 2, aliases, properties, UNSUBSCRIBE, MQTT 3.1. */
async function recordHarnessClients(): Promise<void> {
  const server = new HarnessServer({ port: 0, profile: 'engine' });
  const target = await server.listen();
  const record = async (name: string, session: (port: number) => Promise<void>): Promise<void> => {
    const proxy = new RecordingProxy(target);
    await session(await proxy.listen());
    await proxy.close();
    write(name, proxy.connections, '');
  };
  for (const version of [3, 4, 5] as const) await record(`harness-mqttjs-${version}`, (port) => mqttJs(port, version));
  const python = await providePahoPython();
  await record('harness-paho-python-5', async (port) => {
    await runOrThrow(python, ['-c', PYTHON_SESSION, String(port)], { timeoutMs: TIMEOUT_MS });
  });
  await record('harness-mosquitto-5', (port) => mosquitto(port, 'mqttv5', MQTT5_OPTIONS));
  await record('harness-mosquitto-3', (port) => mosquitto(port, 'mqttv31', []));
  await server.close();
}

async function mosquitto(port: number, version: string, options: readonly string[]): Promise<void> {
  const login = ['-p', String(port), '-V', version, '-i', `m-${version}`];
  const will = ['--will-topic', 'will/topic', '--will-payload', 'gone', '--will-qos', '1', '--will-retain'];
  const publish = [...login, ...will, ...options, '-t', 'a/b', '-m', 'kept', '-r', '-q'];
  for (const qos of ['0', '1', '2']) await runOrThrow('mosquitto_pub', [...publish, qos], { timeoutMs: TIMEOUT_MS });
  const subscribe = [...login, '-t', 'a/+', '-t', 'c/#', '-q', '2', '-C', '1', '-W', '10'];
  await runOrThrow('mosquitto_sub', subscribe, { timeoutMs: TIMEOUT_MS });
}

async function mqttJs(port: number, version: 3 | 4 | 5): Promise<void> {
  const isMqtt5 = version === 5;
  const options: IClientOptions = {
    ...{ reconnectPeriod: 0, protocolVersion: version, clean: false, clientId: `js-${version}` },
    ...(version === 3 && { protocolId: 'MQIsdp' }),
    ...{ username: 'name', password: 'secret', keepalive: 30 },
    will: {
      ...{ topic: 'will/topic', payload: Buffer.from('gone'), qos: 1, retain: true },
      ...(isMqtt5 && { properties: { willDelayInterval: 5, contentType: 'text', userProperties: { a: '1' } } }),
    },
    ...(isMqtt5 && {
      properties: {
        ...{ sessionExpiryInterval: 60, receiveMaximum: 10, topicAliasMaximum: 5, maximumPacketSize: 100_000 },
        ...{ requestResponseInformation: true, requestProblemInformation: true, userProperties: { a: ['1', '2'] } },
      },
    }),
  };
  for (const round of [1, 2]) {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, options, false);
    await client.subscribeAsync({ 'a/+': { qos: 2 }, 'b/#': { qos: 1 } });
    for (const qos of [0, 1, 2] as const) {
      const properties = {
        ...{ topicAlias: 1 + qos, messageExpiryInterval: 60, payloadFormatIndicator: true, contentType: 'text' },
        ...{ responseTopic: 'a/r', correlationData: Buffer.from([1, 2]), userProperties: { id: `${round}`, b: ['1'] } },
      };
      const payload = JSON.stringify({ round, qos });
      await client.publishAsync(`a/${qos}`, payload, { qos, retain: qos === 1, ...(isMqtt5 && { properties }) });
    }
    await client.unsubscribeAsync(['a/+', 'never']);
    // A round ends in order, and one without a word.
    if (round === 1) client.stream.destroy();
    else await client.endAsync(false, isMqtt5 ? { reasonCode: 4, properties: { sessionExpiryInterval: 1 } } : {});
  }
}

function write(name: string, connections: readonly Buffer[], token: string): void {
  const folder = suiteFile('recordings');
  mkdirSync(folder, { recursive: true });
  const lines = connections.map((bytes) => {
    const { packets } = recordingOf(name, bytes);
    const whole = Buffer.concat(packets).toString('hex');
    const secret = Buffer.from(token).toString('hex');
    return token === ''
      ? whole
      : whole.replaceAll(secret, Buffer.from(TOKEN_FILLER.repeat(token.length)).toString('hex'));
  });
  writeFileSync(join(folder, `${name}.hex`), `${lines.join('\n')}\n`);
  process.stdout.write(`${name}: ${lines.length} connections\n`);
}

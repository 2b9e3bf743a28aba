import { spawn, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TcpEndpoint } from './tcp-endpoint.ts';

const LINES = 1_000;
const isInstalled = spawnSync('mosquitto_pub', ['--help']).error === undefined;
if (!isInstalled && process.env['CI'] === 'true') throw new Error('mosquitto_pub must be installed where CI=true');

const tcp = new TcpEndpoint();
let port = 0;

beforeAll(async () => {
  port = await tcp.listen();
});

afterAll(async () => {
  await tcp.close();
});

/** Runs one mosquitto client to its end; what it printed, or an error with what it complained about. */
function run(program: 'mosquitto_pub' | 'mosquitto_sub', options: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['-h', '127.0.0.1', '-p', String(port), ...options]);
    let printed = '';
    let complained = '';
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (complained += bytes.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(printed);
      else reject(new Error(`${program} ended with ${code}: ${complained}`));
    });
    child.stdin.end(input);
  });
}

(isInstalled ? describe : describe.skip)('mosquitto clients (need mosquitto-clients)', () => {
  describe.each(['mqttv31', 'mqttv311', 'mqttv5'])('with %s', (version) => {
    it.each(['0', '1', '2'])(
      'publish a thousand lines with QoS %s in order',
      async (qos) => {
        const topic = `${version}/${qos}`;
        const lines = Array.from({ length: LINES }, (_, number) => `line ${number}`);
        await run('mosquitto_pub', ['-V', version, '-i', 'pub', '-q', qos, '-t', topic, '-l'], `${lines.join('\n')}\n`);
        const deadlineMs = Date.now() + 10_000;
        const received = (): string[] =>
          tcp.host.messages
            .filter((message) => message.topic === topic)
            .map((message) => Buffer.from(message.payload).toString());
        while (received().length < LINES && Date.now() < deadlineMs) {
          await new Promise((resolve) => {
            setTimeout(resolve, 5);
          });
        }
        expect(received()).toEqual(lines);
      },
      20_000,
    );

    it('receive what is sent to them', async () => {
      const subscribersBefore = tcp.host.subscribers.length;
      const printed = run('mosquitto_sub', [
        '-V',
        version,
        '-i',
        'sub',
        '-q',
        '1',
        '-t',
        'down/#',
        '-C',
        '2',
        '-W',
        '10',
      ]);
      while (tcp.host.subscribers.length === subscribersBefore) {
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
      }
      const session = tcp.host.subscribers.at(-1);
      const outcomes = [
        await session?.send({ topic: 'down/a', payload: Buffer.from('first'), qos: 1, expiryMs: 5_000 }),
        await session?.send({ topic: 'down/b', payload: Buffer.from('second'), qos: 0 }),
      ];
      expect(outcomes).toEqual(Array.from({ length: 2 }, () => ({ kind: 'delivered', reasonCode: 0 })));
      expect(await printed).toBe('first\nsecond\n');
    }, 20_000);
  });
});

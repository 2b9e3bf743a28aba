import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { connectServer, startRedisServer } from '@breakwater/adapter-redis/testing';

import { positiveNumber, readArguments } from '../command-line.ts';
import { TwinsRun, type TwinsCost } from './twins-run.ts';

const DEFAULTS = {
  records: '400000',
  rate: '0',
  devices: '500',
  workers: '1',
  rounds: '2',
  partitions: '16',
  against: '',
  node: '',
  json: '',
} as const;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * What a record costs the twin-workers and Redis: real workers on a redis-server with the product's settings, and a log
 * of telemetry. At `--rate 0` the log is there before they start and they drain it as fast as they can; else it is
 * appended at that rate. `--against FOLDER` measures the workers of another checkout in turns with those of this one.
 */
export async function runTwinsBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const number = (name: 'records' | 'workers' | 'rounds' | 'partitions'): number => positiveNumber(name, args[name]);
  const nodeArguments = args.node === '' ? [] : args.node.split(' ');
  const subjects = [{ name: 'this', folder: ROOT, nodeArguments }];
  if (args.against !== '') subjects.push({ name: 'other', folder: args.against, nodeArguments: [] });
  if (args.node !== '' && args.against === '') subjects.push({ name: 'plain', folder: ROOT, nodeArguments: [] });
  const results: Record<string, readonly TwinsCost[]> = {};
  for (const devices of args.devices.split(',').map((text) => positiveNumber('devices', text))) {
    const server = await startRedisServer();
    const redis = await connectServer(server.url);
    try {
      const shape = { records: number('records'), partitions: number('partitions'), workers: number('workers') };
      const run = new TwinsRun({ redis, server, devices, rate: Number(args.rate), ...shape });
      await run.prepare();
      for (let round = 0; round < number('rounds'); round++) {
        const turn = round % 2 === 0 ? subjects : [...subjects].reverse();
        for (const subject of turn) {
          const cost = await run.measure(subject);
          const name = `${subject.name}, ${devices} devices`;
          results[name] = [...(results[name] ?? []), cost];
          say(name, cost);
        }
      }
    } finally {
      redis.disconnect();
      await server.stop();
    }
  }
  if (args.json !== '') await writeFile(args.json, `${JSON.stringify(results, null, 2)}\n`);
}

function say(name: string, cost: TwinsCost): void {
  const micros = (value: number): string => `${value.toFixed(2)} µs`.padStart(9);
  process.stdout.write(
    `${name.padEnd(24)} worker ${micros(cost.workerMicros)}  redis ${micros(cost.redisMicros)}  ` +
      `${cost.perSecond.toFixed(0).padStart(7)}/s  ${cost.recordsPerCommit.toFixed(0).padStart(5)} records/commit  ` +
      `${cost.twinsBytesPerRecord.toFixed(0)} B written/record  ` +
      `worker ${cost.workerMebibytes.toFixed(0)} MiB  ${cost.commands}\n`,
  );
}

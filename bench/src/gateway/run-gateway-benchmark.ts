import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { ArgumentInvalid, positiveNumber, readArguments } from '../command-line.ts';
import { spreadOf } from '../mqtt/paired-ratio.ts';
import { type GatewayCost, type GatewayRun, measureGateway } from './measure-gateway.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DEFAULTS = {
  devices: '500,5000',
  rate: '20000',
  'warm-up-seconds': '4',
  seconds: '10',
  rounds: '2',
  against: '',
  env: '',
  'against-env': '',
  node: '',
  'against-node': '',
  'profile-dir': '.',
  json: '',
} as const;

interface Side {
  readonly name: string;
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly nodeArguments: readonly string[];
}

interface Result extends GatewayCost {
  readonly devices: number;
  readonly side: string;
}

/**
 * CPU of the gateway alone, per event. `--against DIR` runs a second checkout in turns with this one: A B, B A, …
 * `--env NAME=value,…` and `--node FLAG,…` are this side's, `--against-env` and `--against-node` the other's; with
 * `--against .` the two differ in these alone.
 */
export async function runGatewayBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const rounds = positiveNumber('rounds', args.rounds);
  const here = { name: 'this', root: ROOT, env: environmentOf(args.env), nodeArguments: listOf(args.node) };
  const against = {
    name: 'against',
    root: args.against,
    env: environmentOf(args['against-env']),
    nodeArguments: listOf(args['against-node']),
  };
  const sides: readonly Side[] = args.against === '' ? [here] : [here, against];
  const results: Result[] = [];
  for (const devices of args.devices.split(',').map((text) => positiveNumber('devices', text))) {
    for (let round = 0; round < rounds; round += 1) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const run: GatewayRun = {
          devices,
          eventsPerSecond: positiveNumber('rate', args.rate),
          warmUpSeconds: positiveNumber('warm-up-seconds', args['warm-up-seconds']),
          seconds: positiveNumber('seconds', args.seconds),
          profileDir: args['profile-dir'],
          ...side,
        };
        const result = { devices, side: side.name, ...(await measureGateway(side.root, run)) };
        results.push(result);
        say(lineOf(result));
      }
    }
  }
  for (const text of summaryOf(results)) say(text);
  if (args.json !== '') await writeFile(args.json, `${JSON.stringify(results, null, 2)}\n`);
  if (results.some(({ unacknowledged, disordered }) => unacknowledged + disordered > 0)) {
    throw new ArgumentInvalid('events were not acknowledged, or out of order');
  }
}

function environmentOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    listOf(text).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

function listOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(',');
}

function lineOf(result: Result): string {
  const { userMicros, systemMicros, redisMicros, generatorMicros, pubackMs } = result;
  return (
    `${result.devices} devices, ${result.side}: ${Math.round(result.acknowledgedPerSecond)}/s; µs of CPU per event: ` +
    `gateway ${(userMicros + systemMicros).toFixed(1)} (user ${userMicros.toFixed(1)}, system ` +
    `${systemMicros.toFixed(1)}), Redis ${redisMicros.toFixed(1)}, generator ${generatorMicros.toFixed(1)}; ` +
    `${result.readsPerEvent.toFixed(2)} reads, ${result.writesPerEvent.toFixed(2)} writes per event, ` +
    `${result.eventsPerAppend.toFixed(0)} events per append; PUBACK p50/p99 ${Math.round(pubackMs.p50)}/` +
    `${Math.round(pubackMs.p99)} ms; unanswered ${result.unacknowledged}, out of order ${result.disordered}`
  );
}

function summaryOf(results: readonly Result[]): readonly string[] {
  const groups = Map.groupBy(results, ({ devices, side }) => `${devices} devices, ${side}`);
  return [...groups].map(([name, group]) => {
    const spread = (pick: (result: Result) => number): string => {
      const { min, median, max } = spreadOf(group.map(pick));
      return `${min.toFixed(1)} / ${median.toFixed(1)} / ${max.toFixed(1)}`;
    };
    const gateway = spread(({ userMicros, systemMicros }) => userMicros + systemMicros);
    return `${name}: min / median / max µs: gateway ${gateway}; Redis ${spread(({ redisMicros }) => redisMicros)}`;
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

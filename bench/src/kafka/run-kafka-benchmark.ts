import { writeFile } from 'node:fs/promises';

import { ArgumentInvalid, positiveNumber, readArguments } from '../command-line.ts';
import { brokenPromises } from '../storm/checks/broken-promises.ts';
import { machineFacts } from '../storm/machine-facts.ts';
import { measureSustained, type Sustained } from '../storm/parts/measure-sustained.ts';
import { StormPlatform } from '../storm/platform/storm-platform.ts';
import { printCosts, printFacts } from '../storm/print-storm.ts';

const ENGINES = ['kafka', 'redis'] as const;
type Engine = (typeof ENGINES)[number];
const DEFAULTS = {
  rate: '',
  seconds: '60',
  'probe-seconds': '20',
  'warm-up-seconds': '15',
  devices: '500',
  turns: '1',
  only: ENGINES.join(','),
  json: '',
} as const;
/** The search for the sustained rate begins with what is asked for of each engine, in steps of the storm's. */
const FIRST_PER_SECOND: Readonly<Record<Engine, number>> = { kafka: 20_000, redis: 30_000 };
const STEP_PER_SECOND = 5_000;

interface Turn {
  readonly engine: Engine;
  readonly sustained: Sustained;
}

/**
 * `npm run bench -- kafka`: the same platform and load on Kafka (one broker, beside everything else on this machine)
 * and on the embedded log, in turns, each on a fresh installation whose every event, row and twin is checked.
 */
export async function runKafkaBenchmark(argv: readonly string[]): Promise<void> {
  const args = readArguments(DEFAULTS, argv);
  const number = (name: keyof typeof DEFAULTS): number => positiveNumber(name, args[name]);
  const isRateFixed = args.rate !== '';
  const engines = enginesOf(args.only);
  const order = {
    step: STEP_PER_SECOND,
    isRateFixed,
    seconds: number('seconds'),
    probeSeconds: number('probe-seconds'),
    warmUpSeconds: number('warm-up-seconds'),
    devices: number('devices'),
  };
  const turns: Turn[] = [];
  for (let turn = 0; turn < number('turns'); turn += 1) {
    // What slows the machine for a while shall not always meet the same engine.
    for (const engine of turn % 2 === 0 ? engines : engines.toReversed()) {
      say(`${new Date().toISOString().slice(11, 19)} EVENT_LOG=${engine}`);
      const first = isRateFixed ? number('rate') : FIRST_PER_SECOND[engine];
      turns.push({ engine, sustained: await measureSustained({ ...order, first, env: { EVENT_LOG: engine } }, say) });
    }
  }
  const result = { ...(await factsOfTheMachine()), date: new Date().toISOString(), order, turns };
  printFacts(result, say);
  const broken = turns.flatMap(({ engine, sustained }) => brokenPromises(engine, sustained.after));
  for (const { engine, sustained } of turns) printTurn(engine, sustained);
  for (const promise of broken) say(`BROKEN  ${promise}`);
  if (broken.length === 0) say('\nevery promise was kept');
  else process.exitCode = 1;
  if (args.json !== '') await writeFile(args.json, `${JSON.stringify(result, null, 2)}\n`);
}

function enginesOf(text: string): readonly Engine[] {
  const wanted = text.split(',');
  const unknown = wanted.filter((name) => !ENGINES.some((engine) => engine === name));
  if (unknown.length > 0) {
    throw new ArgumentInvalid(`--only knows ${ENGINES.join(', ')}, and not ${unknown.join(', ')}`);
  }
  return ENGINES.filter((engine) => wanted.includes(engine));
}

function printTurn(engine: Engine, { perSecond, cpuSecondsPerMillion, devices, ...sustained }: Sustained): void {
  const { acknowledgedPerSecond, pubackMs, twinMs, rowMs } = sustained;
  const p99 = [pubackMs, twinMs, rowMs].map((each) => `${each.p99.toFixed(0)} ms`).join(', ');
  const held = perSecond === 0 ? `not held, ${acknowledgedPerSecond}/s` : `${perSecond}/s`;
  say(
    `\n${engine}: ${held} from ${devices} devices, ${cpuSecondsPerMillion.toFixed(1)} CPU-s per million events; ` +
      `p99 of PUBACK, device → twin, device → row: ${p99}`,
  );
  printCosts({ cpuSecondsPerMillion, ...sustained }, say);
}

async function factsOfTheMachine(): ReturnType<typeof machineFacts> {
  const platform = await StormPlatform.start();
  try {
    return await machineFacts(platform);
  } finally {
    await platform.stop();
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

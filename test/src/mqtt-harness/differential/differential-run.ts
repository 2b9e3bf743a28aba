import { isDeepStrictEqual } from 'node:util';

import fc from 'fast-check';

import { HarnessServer } from '../harness-server.ts';
import { type SessionPair, withoutKnownDifferences } from './known-differences.ts';
import { MosquittoBroker } from './mosquitto-broker.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { runSession, type StepRecord } from './session-run.ts';
import { playsExpiry, scriptArbitrary, type SessionScript } from './session-script.ts';

/** A hundred sessions are played at once. Those that wait most of their time have places of their own. */
const AT_ONCE = { playing: 60, waiting: 40 } as const;
/** So many failures are shown and made small; more say the same. */
const FAILURES_MAX = 3;
const SHRINK_MS_MAX = 30_000;
const HARNESS_CONNECTIONS_MAX = 10_000;

export interface DifferentialOptions {
  readonly seeds: readonly number[];
  readonly shrinks: boolean;
  /** A bug to be found. */
  readonly plant?: PlantedBug;
}

export interface DifferentialOutcome {
  readonly sessions: number;
  readonly steps: number;
  /** Each with its seed, its script and what both servers said. */
  readonly failures: readonly string[];
}

/** Plays the script of each seed against the engine and against mosquitto, a hundred at once, and compares. */
export async function runDifferential(options: DifferentialOptions): Promise<DifferentialOutcome> {
  const harness = new HarnessServer({
    port: 0,
    profile: 'engine',
    limits: { connectionsMax: HARNESS_CONNECTIONS_MAX },
    ...(options.plant !== undefined && { plant: options.plant }),
  });
  const mosquitto = await MosquittoBroker.start();
  const comparison = new Comparison({ engine: await harness.listen(), mosquitto: mosquitto.port });
  try {
    return await comparison.run(options);
  } finally {
    await mosquitto.stop();
    await harness.close();
  }
}

class Comparison {
  readonly #ports: { readonly engine: number; readonly mosquitto: number };
  #runs = 0;
  #steps = 0;

  constructor(ports: { engine: number; mosquitto: number }) {
    this.#ports = ports;
  }

  async run({ seeds, shrinks }: DifferentialOptions): Promise<DifferentialOutcome> {
    const failed: { readonly seed: number; readonly failure: string }[] = [];
    let sessions = 0;
    const work = async (left: number[]): Promise<void> => {
      for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
        if (failed.length >= FAILURES_MAX) return;
        const difference = await this.#differenceOf(scriptOf(seed), playsExpiry(seed));
        sessions += 1;
        if (difference !== null) failed.push({ seed, failure: `seed ${seed}\n${difference}` });
      }
    };
    const playing = seeds.filter((seed) => !playsExpiry(seed));
    const waiting = seeds.filter(playsExpiry);
    await Promise.all([
      ...Array.from({ length: AT_ONCE.playing }, () => work(playing)),
      ...Array.from({ length: AT_ONCE.waiting }, () => work(waiting)),
    ]);
    const failures: string[] = [];
    for (const { seed, failure } of failed.slice(0, FAILURES_MAX)) {
      failures.push(shrinks ? ((await this.#smallest(seed)) ?? failure) : failure);
    }
    return { sessions, steps: this.#steps, failures };
  }

  /** Null when both servers said the same. */
  async #differenceOf(script: SessionScript, expires: boolean): Promise<string | null> {
    const prefix = `s${this.#runs++}/`;
    const [engine, mosquitto] = await Promise.all([
      runSession(script, { port: this.#ports.engine, prefix, expires }),
      runSession(script, { port: this.#ports.mosquitto, prefix, expires }),
    ]);
    this.#steps += engine.length;
    const left = withoutKnownDifferences({ engine, mosquitto });
    return isDeepStrictEqual(left.engine, left.mosquitto) ? null : describeDifference(script, left);
  }

  /** The same failure with as few steps as fast-check finds in its time. */
  async #smallest(seed: number): Promise<string | null> {
    const expires = playsExpiry(seed);
    let smallest: string | null = null;
    let playing: Promise<unknown> = Promise.resolve();
    const property = fc.asyncProperty(scriptArbitrary(expires), async (script) => {
      const played = this.#differenceOf(script, expires);
      playing = played;
      const difference = await played;
      if (difference !== null) smallest = `seed ${seed}, made small\n${difference}`;
      return difference === null;
    });
    await fc.check(property, { seed, numRuns: 1, interruptAfterTimeLimit: SHRINK_MS_MAX });
    // When its time is over fast-check turns away from a session that still plays, on servers that are stopped next.
    await playing;
    return smallest;
  }
}

/** The script that fast-check draws first, so that it can make it small from there. */
function scriptOf(seed: number): SessionScript {
  const drawn: SessionScript[] = [];
  const property = fc.property(scriptArbitrary(playsExpiry(seed)), (script) => {
    drawn.push(script);
  });
  fc.check(property, { seed, numRuns: 1 });
  return drawn[0] as SessionScript;
}

function describeDifference(script: SessionScript, { engine, mosquitto }: SessionPair): string {
  const lines = [`MQTT ${script.version}`];
  const rows = Math.max(engine.length, mosquitto.length);
  for (let index = 0; index < rows; index += 1) {
    const ours = engine[index];
    const theirs = mosquitto[index];
    const isSame = isDeepStrictEqual(ours, theirs);
    lines.push(`${isSame ? ' ' : '*'} ${ours?.step ?? theirs?.step}`);
    if (isSame) lines.push(...shown('      both', ours));
    else lines.push(...shown('    engine', ours), ...shown(' mosquitto', theirs));
  }
  return lines.join('\n');
}

function shown(who: string, record: StepRecord | undefined): string[] {
  const device = record?.device ?? [];
  const peer = (record?.peer ?? []).map((line) => `(peer) ${line}`);
  return [...device, ...peer].map((line) => `${who}: ${line}`);
}

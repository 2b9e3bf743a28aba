import type { StormResult } from './storm-result.ts';

/** A figure with what is asked of it. Speed is shown and marked; only a broken promise is a failure. */
export interface Figure {
  readonly name: string;
  readonly text: string;
  readonly must: string;
  readonly aim: string;
  readonly verdict: Verdict;
}

export type Verdict = 'aim' | 'must' | 'missed';

interface Bounds {
  readonly must: number;
  readonly aim: number;
  readonly unit: string;
  readonly isMoreBetter?: boolean;
  readonly digits?: number;
}

const COUNT_ZERO: Bounds = { must: 0, aim: 0, unit: '' };

/** The table of the result, one line per figure that was measured. */
export function figuresOf(result: StormResult): readonly Figure[] {
  const figures: Figure[] = [];
  const add = (name: string, value: number, bounds: Bounds): void => void figures.push(figure(name, value, bounds));
  for (const { devices, perSecond, cpuSecondsPerMillion, seconds } of result.sustained ?? []) {
    const from = `from ${devices} devices`;
    add(`sustained for ${seconds} s ${from}`, perSecond, {
      must: 30_000,
      aim: 45_000,
      unit: '/s',
      isMoreBetter: true,
    });
    add(`CPU per million events ${from}`, cpuSecondsPerMillion, { must: 55, aim: 35, unit: ' s', digits: 1 });
  }
  const { spike, overload } = result;
  if (spike !== null) {
    add(`spike held ${spike.order.spikeSeconds} s: lost`, spike.lost, COUNT_ZERO);
    add('spike: duplicated', spike.duplicated, COUNT_ZERO);
    add('spike: wrong twins', spike.wrongTwins, COUNT_ZERO);
    add('spike: PUBACK p99', spike.pubackP99Ms, { must: 200, aim: 50, unit: ' ms' });
    add('spike: device → twin p99', spike.twinP99Ms, { must: 200, aim: 60, unit: ' ms' });
    add('spike: device → row p99', spike.rowP99Ms, { must: 2_000, aim: 1_000, unit: ' ms' });
    add('spike: back to zero lag', spike.drainSeconds, { must: 2, aim: 0.5, unit: ' s', digits: 2 });
  }
  if (overload !== null) {
    add('overload: lost', overload.lost, COUNT_ZERO);
    add('overload: shed', overload.shed, COUNT_ZERO);
    add('overload: connections closed', overload.connectionsLost, COUNT_ZERO);
    add('overload: processes over their cap', overload.after.overCap.length, COUNT_ZERO);
  }
  return figures;
}

function figure(name: string, value: number, bounds: Bounds): Figure {
  const { must, aim, unit, isMoreBetter = false, digits = 0 } = bounds;
  const reaches = (wanted: number): boolean => (isMoreBetter ? value >= wanted : value <= wanted);
  const text = (number: number): string => `${number.toFixed(digits)}${unit}`;
  const verdict = reaches(aim) ? 'aim' : reaches(must) ? 'must' : 'missed';
  return { name, text: text(value), must: text(must), aim: text(aim), verdict };
}

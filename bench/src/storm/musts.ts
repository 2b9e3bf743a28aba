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

/** PATCH and commands, whatever happens to telemetry. */
const CONTROL_MS: Bounds = { must: 1_000, aim: 1_000, unit: ' ms' };
const COUNT_ZERO: Bounds = { must: 0, aim: 0, unit: '' };

/** The table of the result, one line per figure that was measured. */
export function figuresOf(result: StormResult): readonly Figure[] {
  return [...speedFigures(result), ...stormFigures(result), ...fleetFigures(result)];
}

function speedFigures({ sustained }: StormResult): readonly Figure[] {
  return (sustained ?? []).flatMap(({ devices, perSecond, cpuSecondsPerMillion, seconds }) => {
    const from = `from ${devices} devices`;
    const rate = { must: 30_000, aim: 45_000, unit: '/s', isMoreBetter: true };
    return [
      figure(`sustained for ${seconds} s ${from}`, perSecond, rate),
      figure(`CPU per million events ${from}`, cpuSecondsPerMillion, { must: 55, aim: 35, unit: ' s', digits: 1 }),
    ];
  });
}

function stormFigures({ spike, overload, blackout }: StormResult): readonly Figure[] {
  const figures: Figure[] = [];
  const add = (name: string, value: number, bounds: Bounds): void => void figures.push(figure(name, value, bounds));
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
  if (blackout !== null) {
    const { patchMs, commandMs, order } = blackout;
    add(`ClickHouse away for ${order.seconds} s: PATCH p99`, patchMs.p99, CONTROL_MS);
    if (commandMs !== null) add('ClickHouse away: command p99', commandMs.p99, CONTROL_MS);
    add('ClickHouse away: connections closed', blackout.after.connectionsLost, COUNT_ZERO);
  }
  return figures;
}

function fleetFigures({ memory, devices, reconnect }: StormResult): readonly Figure[] {
  const figures: Figure[] = [];
  const add = (name: string, value: number, bounds: Bounds): void => void figures.push(figure(name, value, bounds));
  if (memory !== null) {
    add(`memory of a warm twin, of ${memory.twins}`, memory.warmTwinBytes, { must: 5_120, aim: 2_048, unit: ' B' });
    add('memory of a cold twin', memory.coldTwinBytes, { must: 2_048, aim: 1_024, unit: ' B' });
  }
  if (devices !== null) {
    const { small, large, ratio } = devices;
    const within = { must: 0.8, aim: 0.8, unit: '', isMoreBetter: true, digits: 2 };
    add(`events/s of ${large.devices} devices, of those of ${small.devices}`, ratio, within);
  }
  if (reconnect !== null) {
    const { order, back, falselyDisconnected } = reconnect;
    add(`${order.devices} reconnect in ${order.withinSeconds} s: not back`, order.devices - back, COUNT_ZERO);
    add('reconnect: falsely shown as disconnected', falselyDisconnected, COUNT_ZERO);
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

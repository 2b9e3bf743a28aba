import { ArgumentInvalid, positiveNumber, readArguments } from '../command-line.ts';

/** The parts of a storm, in the order in which they run. */
const STORM_PARTS = ['sustained', 'spike', 'overload', 'memory', 'devices', 'reconnect', 'blackout'] as const;
export type StormPart = (typeof STORM_PARTS)[number];

const DEFAULTS = {
  only: STORM_PARTS.join(','),
  json: '',
  /** Sustained: this rate alone, instead of a search. */
  rate: '',
  seconds: '60',
  devices: '500,5000',
  'spike-seconds': '600',
  'spike-rate': '20000',
  'overload-seconds': '60',
  'overload-rate': '100000',
  'fleet-devices': '100000',
  'fleet-connections': '10000',
  'reconnect-devices': '10000',
  'blackout-seconds': '20',
} as const;

/** What is measured, and kept with the result. */
export interface StormOptions {
  readonly parts: readonly StormPart[];
  readonly rate: number | null;
  readonly seconds: number;
  /** Of sustained, one run each; the other parts take the first. */
  readonly devices: readonly number[];
  readonly spikeSeconds: number;
  readonly spikeRate: number;
  readonly overloadSeconds: number;
  readonly overloadRate: number;
  /** Of memory and devices: the large fleet, and how much of it is connected at the same time. */
  readonly fleetDevices: number;
  readonly fleetConnections: number;
  readonly reconnectDevices: number;
  readonly blackoutSeconds: number;
}

/** `json` is the file for the result, or empty; no part of the options, since it says where somebody's folders are. */
export function readStormOptions(argv: readonly string[]): StormOptions & { readonly json: string } {
  const args = readArguments(DEFAULTS, argv);
  const number = (name: keyof typeof DEFAULTS): number => positiveNumber(name, args[name]);
  return {
    parts: partsOf(args.only),
    json: args.json,
    rate: args.rate === '' ? null : number('rate'),
    seconds: number('seconds'),
    devices: args.devices.split(',').map((text) => positiveNumber('devices', text)),
    spikeSeconds: number('spike-seconds'),
    spikeRate: number('spike-rate'),
    overloadSeconds: number('overload-seconds'),
    overloadRate: number('overload-rate'),
    fleetDevices: number('fleet-devices'),
    fleetConnections: number('fleet-connections'),
    reconnectDevices: number('reconnect-devices'),
    blackoutSeconds: number('blackout-seconds'),
  };
}

function partsOf(text: string): readonly StormPart[] {
  const wanted = text.split(',');
  const unknown = wanted.filter((name) => !STORM_PARTS.some((part) => part === name));
  if (unknown.length > 0) {
    throw new ArgumentInvalid(`--only knows ${STORM_PARTS.join(', ')}, and not ${unknown.join(', ')}`);
  }
  return STORM_PARTS.filter((part) => wanted.includes(part));
}

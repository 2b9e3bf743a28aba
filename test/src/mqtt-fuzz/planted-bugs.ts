import { createMqttEndpoint, type ConnectionInput } from '@breakwater/mqtt-endpoint';

import type { EndpointMaker } from './engine-under-fuzz.ts';

/**
 * Faults of the kinds that fuzzing is for, in the place of a good endpoint: they show that the fuzzer bites. There is
 * no switch in the engine.
 */
export const PLANTED_BUGS = ['throws', 'leaks', 'hangs', 'quadratic'] as const;
export type PlantedBug = (typeof PLANTED_BUGS)[number];

const EVIL_NAME = Buffer.from('constructor');
const LEAK_BYTES = 512;
/** The cost stands out beside what any input costs, also for a small one, and a test of it does not take all day. */
const STRIDE = 5;

export function plantBug(bug: PlantedBug): EndpointMaker {
  return (options) => {
    const endpoint = createMqttEndpoint(options);
    const leaked: number[][] = [];
    const faulty = (input: ConnectionInput): ConnectionInput => ({
      receive: (bytes) => {
        if (bug === 'throws' && Buffer.from(bytes).includes(EVIL_NAME)) throw new TypeError('notify is not a function');
        if (bug === 'hangs' && Buffer.from(bytes).includes(EVIL_NAME)) for (;;) leaked.length = 0;
        if (bug === 'leaks') leaked.push(Array.from({ length: LEAK_BYTES / 8 }, (_, at) => at + 0.5));
        if (bug === 'quadratic') compareAll(bytes);
        input.receive(bytes);
      },
      drained: () => input.drained(),
      transportClosed: () => input.transportClosed(),
    });
    return new Proxy(endpoint, {
      get: (target, name) =>
        name === 'accept'
          ? (...args: Parameters<typeof target.accept>) => faulty(target.accept(...args))
          : (Reflect.get(target, name) as unknown),
    });
  };
}

/** As a search for repeated properties would be that compares each with each. */
function compareAll(bytes: Uint8Array): number {
  let equal = 0;
  for (let left = 0; left < bytes.length; left += STRIDE) {
    for (let right = 0; right < bytes.length; right += STRIDE) if (bytes[left] === bytes[right]) equal += 1;
  }
  return equal;
}

import type { DeviceLogin } from '../../simulated-device.ts';
import { serveCalls } from '../../remote-process.ts';
import { StormGenerator, type StormTarget } from './storm-generator.ts';

let generator: StormGenerator | null = null;

function opened(): StormGenerator {
  if (generator === null) throw new Error('no devices are open');
  return generator;
}

/** What the benchmark asks of its load generator, which has a process of its own so that its CPU is counted apart. */
const calls = {
  open: async (order: StormTarget & { readonly logins: readonly DeviceLogin[] }): Promise<void> => {
    generator = new StormGenerator(order.logins, order);
    await generator.connect();
  },
  run: (phase: { readonly eventsPerSecond: number; readonly seconds: number }) => opened().run(phase),
  settle: (timeoutMs: number) => opened().settle(timeoutMs),
  giveUpUnsent: () => opened().giveUpUnsent(),
  cutAll: (withinMs: number) => opened().cutAll(withinMs),
  progress: () => opened().progress(),
  latencies: () => opened().latencies(),
  outcomes: () => opened().outcomes(),
  close: () => opened().close(),
};
export type StormGeneratorCalls = typeof calls;

serveCalls(calls);

import { LoadGenerator, type LoadPhase, type LoadProgress } from './load-generator.ts';
import type { CommandManner, DeviceLogin } from './simulated-device.ts';

/** The load runs in a process of its own, so that its CPU is counted apart and a busy parent does not slow it. */
export interface LoadOrder {
  readonly logins: readonly DeviceLogin[];
  readonly host: string;
  readonly port: number;
  readonly phases: readonly LoadPhase[];
  readonly settleTimeoutMs: number;
  readonly commands?: CommandManner;
}

export type LoadReport =
  | { readonly kind: 'connected' }
  | { readonly kind: 'progress'; readonly progress: LoadProgress }
  | {
      readonly kind: 'done';
      readonly progress: LoadProgress;
      readonly unacknowledged: number;
      readonly acknowledged: readonly (readonly [string, readonly number[]])[];
    }
  | { readonly kind: 'failed'; readonly message: string };

const PROGRESS_EVERY_MS = 250;

process.once('message', (order) => {
  carryOut(order as LoadOrder).catch((error: unknown) => {
    report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  });
});
process.once('disconnect', () => process.exit(0));

async function carryOut(order: LoadOrder): Promise<void> {
  const generator = new LoadGenerator(order);
  await generator.connect();
  report({ kind: 'connected' });
  const ticking = setInterval(() => report({ kind: 'progress', progress: generator.progress() }), PROGRESS_EVERY_MS);
  await generator.run(order.phases);
  const unacknowledged = await generator.settle(order.settleTimeoutMs);
  clearInterval(ticking);
  report({
    kind: 'done',
    progress: generator.progress(),
    unacknowledged,
    acknowledged: [...generator.acknowledged()],
  });
  generator.close();
}

function report(message: LoadReport): void {
  process.send?.(message);
}

import type { Installation } from '@breakwater/bench';

import { afterThisTest } from './after-this-test.ts';
import { pidOf } from './platform-steps.ts';

/** SIGSTOP: the part hangs until the answer is called, or the test is over. */
export async function stopPart(installation: Installation, name: string): Promise<() => void> {
  const pid = await pidOf(installation, name);
  process.kill(pid, 'SIGSTOP');
  const goOn = (): void => {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // It was killed meanwhile.
    }
  };
  afterThisTest(goOn);
  return goOn;
}

import { afterAll, beforeAll, expect } from '@jest/globals';
import { Installation } from '@breakwater/bench';

import { TEST_TIMEOUT_MS } from './platform-steps.ts';

export interface SuiteInstallation {
  /** The suite has stopped its installation and started another one: that one is stopped at the end. */
  replacedBy(installation: Installation): void;
}

/**
 * One installation for all tests of a suite: started before the first, stopped in order after the last, with nothing
 * left behind.
 *
 * @param begin gets it when it is ready. It may wait for more.
 * @param end before it is stopped.
 */
export function suiteInstallation(
  begin: (installation: Installation) => void | Promise<void>,
  end: () => void = () => undefined,
): SuiteInstallation {
  let current: Installation | null = null;

  beforeAll(async () => {
    current = await Installation.start();
    await begin(current);
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    end();
    const code = await current?.stop();
    await current?.remove();
    expect(code).toBe(0);
  }, TEST_TIMEOUT_MS);

  return {
    replacedBy: (installation) => {
      current = installation;
    },
  };
}

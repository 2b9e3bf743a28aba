import { afterAll, beforeAll, expect } from '@jest/globals';
import { Installation } from '@breakwater/bench';

import { TEST_TIMEOUT_MS } from './platform-steps.ts';

interface SuiteInstallationOptions {
  readonly end?: () => void;
  readonly env?: Readonly<Record<string, string>>;
}

export interface SuiteInstallation {
  /** The suite has stopped its installation and started another one: that one is stopped at the end. */
  replacedBy(installation: Installation): void;
}

/**
 * One installation for all tests of a suite: started before the first, stopped in order after the last, with nothing
 * left behind.
 *
 * @param begin gets it when it is ready. It may wait for more.
 * @param options `end` runs before it is stopped; `env` are settings other than the defaults.
 */
export function suiteInstallation(
  begin: (installation: Installation) => void | Promise<void>,
  { end, env = {} }: SuiteInstallationOptions = {},
): SuiteInstallation {
  let current: Installation | null = null;

  beforeAll(async () => {
    current = await Installation.start({ env });
    await begin(current);
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    end?.();
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

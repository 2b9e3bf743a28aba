import { afterAll, beforeAll, expect } from '@jest/globals';
import { Installation } from '@breakwater/bench';

import { TEST_TIMEOUT_MS } from './platform-steps.ts';

type Settings = Readonly<Record<string, string>>;

interface SuiteInstallationOptions {
  /** Settings other than the defaults. Where they name servers, it may start them, and have them end after it. */
  readonly env?: Settings | ((opened: AsyncDisposableStack) => Promise<Settings>);
}

export interface SuiteInstallation {
  /** The suite has stopped its installation and started another one: that one is stopped at the end. */
  replacedBy(installation: Installation): void;
}

/**
 * One installation for all tests of a suite: started before the first, stopped in order after the last, with nothing
 * left behind, also when the suite does not get as far as its first test.
 *
 * @param begin gets it when it is ready. What it opens beside it, it leaves in `opened`, which is closed in reverse:
 * what came last first, then the installation, then what `env` has started.
 */
export function suiteInstallation(
  begin: (installation: Installation, opened: AsyncDisposableStack) => void | Promise<void>,
  { env = {} }: SuiteInstallationOptions = {},
): SuiteInstallation {
  const opened = new AsyncDisposableStack();
  let current: Installation;

  beforeAll(async () => {
    current = await Installation.start({ env: typeof env === 'function' ? await env(opened) : env });
    opened.defer(async () => {
      const code = await current.stop();
      await current.remove();
      expect(code).toBe(0);
    });
    await begin(current, opened);
  }, TEST_TIMEOUT_MS);

  afterAll(() => opened.disposeAsync(), TEST_TIMEOUT_MS);

  return {
    replacedBy: (installation) => {
      current = installation;
    },
  };
}

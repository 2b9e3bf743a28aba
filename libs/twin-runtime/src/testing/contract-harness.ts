/** What a contract suite needs of an adapter: a fresh port, and how to let its time pass. */
export interface ContractHarness<Port> {
  readonly port: Port;
  readonly cleanup: () => Promise<void>;
  /** Lets this much of the port's time pass; without it the suite waits for real. */
  readonly pass?: (durationMs: number) => Promise<void>;
}

/** Makes an empty port. `options` are sizes that the suite wants small enough to reach. */
export interface HarnessMaker<Port, Options = undefined> {
  make(options: Options): Promise<ContractHarness<Port>>;
}

/** Time to live of leases under test: long enough for a busy machine, short enough to wait for. */
export const LEASE_UNDER_TEST_MS = 1_500;

export function passOf(harness: ContractHarness<unknown>): (durationMs: number) => Promise<void> {
  return harness.pass ?? ((durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs)));
}

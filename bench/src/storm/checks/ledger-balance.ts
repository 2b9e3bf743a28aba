interface Consumer {
  readonly position: number;
  readonly inFlight: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

interface Entry {
  readonly lane: string;
  readonly partition: number;
  readonly appended: number;
  readonly consumers: Readonly<Record<string, Consumer>>;
}

/** The part of the API's ledger that has to balance. */
export interface LedgerEntries {
  readonly partitions: readonly Entry[];
  readonly degraded: readonly string[];
  /** The platform's own verdict. */
  readonly balanced: boolean;
  /** What the platform itself found; `since` is set once it lasts. */
  readonly imbalances: readonly { readonly detail: string; readonly since: number | null }[];
}

/**
 * appended = sum of outcomes + in flight, for each consumer, lane and partition. Answers a sentence for each that does
 * not balance; also for a consumer that could not be asked, because then nobody knows.
 */
export function ledgerImbalances(ledger: LedgerEntries): readonly string[] {
  const imbalances = ledger.degraded.map((consumer) => `the ledger of ${consumer} cannot be read`);
  for (const { detail, since } of ledger.imbalances) if (since !== null) imbalances.push(`the ledger says: ${detail}`);
  // Its verdict counts by itself, or a ledger that names no imbalance would pass with one.
  if (!ledger.balanced && imbalances.length === 0) imbalances.push('the ledger says that it does not balance');
  for (const { lane, partition, appended, consumers } of ledger.partitions) {
    for (const [name, { inFlight, outcomes }] of Object.entries(consumers)) {
      const settled = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
      const difference = appended - settled - inFlight;
      if (difference === 0) continue;
      imbalances.push(
        `${name} of ${lane} ${partition}: ${appended} appended, ${settled} have an outcome, ${inFlight} are in flight`,
      );
    }
  }
  return imbalances;
}

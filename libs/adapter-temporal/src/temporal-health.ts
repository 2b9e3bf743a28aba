import { TemporalProbe } from './temporal-probe.ts';

/** How long an answer is waited for before the last one is repeated. */
const WAIT_MS = 250;

/** How Temporal is, as `/health/ready` tells it. */
export interface TemporalHealth {
  /** What keeps workflows from being served, in words for an operator; null when nothing does. Never rejects. */
  trouble(): Promise<string | null>;
}

/** The settings of libs/config that say where Temporal is. */
export interface TemporalPlace {
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly temporalTls: 'false' | 'true';
}

/** An installation without Temporal misses nothing, so nothing is wrong with it. */
export function temporalHealth(place: TemporalPlace): TemporalHealth {
  if (place.temporalAddress === '') return { trouble: () => Promise.resolve(null) };
  return new PromptHealth(
    new TemporalProbe({
      address: place.temporalAddress,
      namespace: place.temporalNamespace,
      tls: place.temporalTls === 'true',
    }),
  );
}

/**
 * Answers at once, with what is known: who asks whether events flow must not wait for a Temporal that hangs, or the
 * asker's own patience would take us out of its load balancer. However many ask, one question is out at a time.
 */
export class PromptHealth implements TemporalHealth {
  readonly #source: TemporalHealth;
  readonly #waitMs: number;
  #known: string | null = 'it has not answered yet';
  #asking: Promise<void> | undefined;

  constructor(source: TemporalHealth, waitMs = WAIT_MS) {
    this.#source = source;
    this.#waitMs = waitMs;
  }

  async trouble(): Promise<string | null> {
    this.#asking ??= this.#ask();
    const waited = Promise.withResolvers<void>();
    const timer = setTimeout(() => waited.resolve(), this.#waitMs);
    await Promise.race([this.#asking, waited.promise]);
    clearTimeout(timer);
    return this.#known;
  }

  async #ask(): Promise<void> {
    this.#known = await this.#source.trouble();
    this.#asking = undefined;
  }
}

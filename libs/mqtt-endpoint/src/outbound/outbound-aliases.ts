/**
 * Topic aliases that we have set on one connection, first come, first served: the topics that a device is sent are few
 * and recur, so nothing is ever replaced. They die with the connection (MQTT 5 §3.3.2.3.4).
 */
export class OutboundAliases {
  readonly #aliasMax: number;
  #aliases: Map<string, number> | null = null;

  constructor(aliasMax: number) {
    this.#aliasMax = aliasMax;
  }

  /** The alias that a PUBLISH to `topic` carries, null when there is none left. It is known from this packet on. */
  take(topic: string): { readonly number: number; readonly isKnown: boolean } | null {
    const known = this.#aliases?.get(topic);
    if (known !== undefined) return { number: known, isKnown: true };
    if ((this.#aliases?.size ?? 0) >= this.#aliasMax) return null;
    this.#aliases ??= new Map();
    const number = this.#aliases.size + 1;
    this.#aliases.set(topic, number);
    return { number, isKnown: false };
  }
}

import type { ISubscription } from 'mqtt-packet';
import type { ProtocolVersion } from './endpoint-host.ts';
import { FILTER_CHARACTERS_MAX } from './engine-limits.ts';
import { ReasonCode } from './reason-codes.ts';
import { isSharedFilter } from './topic-syntax.ts';

/** SUBACK of MQTT 3.1 and 3.1.1 knows one refusal. */
const REFUSED_BEFORE_5 = 0x80;

export interface SubscribeAnswer {
  /** One code per filter, in the order asked. */
  readonly codes: readonly number[];
  readonly granted: readonly string[];
}

/** Filters in force on one session. They are decided one by one, and a refused one is never stored. */
export class Subscriptions {
  readonly #filters = new Map<string, 0 | 1 | 2>();
  readonly #filtersMax: number;
  readonly #version: ProtocolVersion;
  readonly #isAllowed: (filter: string) => boolean;

  constructor(options: { filtersMax: number; version: ProtocolVersion; isAllowed: (filter: string) => boolean }) {
    this.#filtersMax = options.filtersMax;
    this.#version = options.version;
    this.#isAllowed = options.isAllowed;
  }

  get filters(): ReadonlyMap<string, 0 | 1 | 2> {
    return this.#filters;
  }

  subscribe(requests: readonly ISubscription[]): SubscribeAnswer {
    const codes: number[] = [];
    const granted: string[] = [];
    for (const { topic, qos } of requests) {
      const refusal = this.#refusal(topic);
      if (refusal !== null) {
        codes.push(this.#version === 5 ? refusal : REFUSED_BEFORE_5);
        continue;
      }
      // Nothing is sent with QoS 2, and a SUBACK may grant less than was asked.
      const grantedQos = qos === 0 ? 0 : 1;
      this.#filters.set(topic, grantedQos);
      codes.push(grantedQos);
      granted.push(topic);
    }
    return { codes, granted };
  }

  unsubscribe(filters: readonly string[]): readonly number[] {
    return filters.map((filter) =>
      this.#filters.delete(filter) ? ReasonCode.success : ReasonCode.noSubscriptionExisted,
    );
  }

  #refusal(filter: string): ReasonCode | null {
    if (this.#version === 5 && isSharedFilter(filter)) return ReasonCode.sharedSubscriptionsNotSupported;
    if (filter.length > FILTER_CHARACTERS_MAX) return ReasonCode.topicFilterInvalid;
    if (!this.#filters.has(filter) && this.#filters.size >= this.#filtersMax) return ReasonCode.quotaExceeded;
    return this.#isAllowed(filter) ? null : ReasonCode.notAuthorized;
  }
}

import type { ISubscription } from 'mqtt-packet';
import type { ProtocolVersion, SubscriptionGrant } from '../endpoint-host.ts';
import { FILTER_CHARACTERS_MAX } from '../engine-limits.ts';
import { ReasonCode } from '../wire/reason-codes.ts';
import { isSharedFilter, isTooDeep } from '../wire/topic-syntax.ts';

/** SUBACK of MQTT 3.1 and 3.1.1 knows one refusal. */
const REFUSED_BEFORE_5 = 0x80;

export interface SubscribeAnswer {
  /** One code per filter, in the order asked. */
  readonly codes: readonly number[];
  readonly grants: readonly SubscriptionGrant[];
  /** Of each filter that was refused, the code that MQTT 5 has for it. */
  readonly refusals: readonly ReasonCode[];
}

/** Who decides about a filter. An object and not a function, so that no session costs a closure for it. */
export interface FilterPolicy {
  maySubscribe(filter: string): boolean;
}

/** Filters in force on one session. They are decided one by one, and a refused one is never stored. */
export class Subscriptions {
  readonly #filters: Map<string, 0 | 1 | 2>;
  readonly #filtersMax: number;
  readonly #qosMax: 1 | 2;
  readonly #version: ProtocolVersion;
  readonly #policy: FilterPolicy;

  constructor(options: {
    /** Those of a session that goes on; they are changed in place. */
    filters: Map<string, 0 | 1 | 2>;
    filtersMax: number;
    qosMax: 1 | 2;
    version: ProtocolVersion;
    policy: FilterPolicy;
  }) {
    this.#filters = options.filters;
    this.#filtersMax = options.filtersMax;
    this.#qosMax = options.qosMax;
    this.#version = options.version;
    this.#policy = options.policy;
  }

  get filters(): ReadonlyMap<string, 0 | 1 | 2> {
    return this.#filters;
  }

  subscribe(requests: readonly ISubscription[]): SubscribeAnswer {
    const codes: number[] = [];
    const grants: SubscriptionGrant[] = [];
    const refusals: ReasonCode[] = [];
    for (const { topic, qos, nl, rap, rh } of requests) {
      const refusal = this.#refusal(topic);
      if (refusal !== null) {
        codes.push(this.#toCode(refusal));
        refusals.push(refusal);
        continue;
      }
      // A SUBACK may grant less than was asked.
      const granted = qos > this.#qosMax ? this.#qosMax : qos;
      const options = { noLocal: nl ?? false, retainAsPublished: rap ?? false, retainHandling: rh ?? 0 };
      grants.push({ filter: topic, qos: granted, existed: this.#filters.has(topic), ...options });
      this.#filters.set(topic, granted);
      codes.push(granted);
    }
    return { codes, grants, refusals };
  }

  /** None of them is looked at. */
  refuseAll(requests: readonly ISubscription[], refusal: ReasonCode): SubscribeAnswer {
    const codes = requests.map(() => this.#toCode(refusal));
    return { codes, grants: [], refusals: requests.map(() => refusal) };
  }

  unsubscribe(filters: readonly string[]): readonly number[] {
    return filters.map((filter) =>
      this.#filters.delete(filter) ? ReasonCode.success : ReasonCode.noSubscriptionExisted,
    );
  }

  /** What a session was granted before may be denied to it now. */
  decideAgain(): void {
    for (const filter of this.#filters.keys()) if (!this.#policy.maySubscribe(filter)) this.#filters.delete(filter);
  }

  #toCode(refusal: ReasonCode): number {
    return this.#version === 5 ? refusal : REFUSED_BEFORE_5;
  }

  #refusal(filter: string): ReasonCode | null {
    if (this.#version === 5 && isSharedFilter(filter)) return ReasonCode.sharedSubscriptionsNotSupported;
    if (filter.length > FILTER_CHARACTERS_MAX || isTooDeep(filter)) return ReasonCode.topicFilterInvalid;
    if (!this.#filters.has(filter) && this.#filters.size >= this.#filtersMax) return ReasonCode.quotaExceeded;
    return this.#policy.maySubscribe(filter) ? null : ReasonCode.notAuthorized;
  }
}

import { ALIASED_TOPIC_CHARACTERS_MAX } from '../engine-limits.ts';
import { ProtocolFault } from '../wire/protocol-fault.ts';
import { ReasonCode } from '../wire/reason-codes.ts';

/** Topic aliases that the client has set on this connection. */
export class TopicAliases {
  readonly #aliasMax: number;
  #topics: Map<number, string> | null = null;

  constructor(aliasMax: number) {
    this.#aliasMax = aliasMax;
  }

  /** The topic that a PUBLISH means, given what it says. */
  resolve(alias: number, topic: string): string | ProtocolFault {
    if (alias === 0 || alias > this.#aliasMax) {
      return new ProtocolFault(ReasonCode.topicAliasInvalid, `topic aliases are 1 to ${this.#aliasMax}`);
    }
    if (topic === '') {
      return this.#topics?.get(alias) ?? new ProtocolFault(ReasonCode.protocolError, 'topic alias was never set');
    }
    if (topic.length > ALIASED_TOPIC_CHARACTERS_MAX) {
      return new ProtocolFault(ReasonCode.topicNameInvalid, 'topic too long for an alias');
    }
    this.#topics ??= new Map();
    this.#topics.set(alias, topic);
    return topic;
  }
}

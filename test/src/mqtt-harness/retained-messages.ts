import type { InboundMessage } from '@breakwater/mqtt-endpoint';

import { topicMatches } from './topic-match.ts';

/** A suite that retains more has gone wrong. */
const RETAINED_MAX = 10_000;

export interface RetainedMessage {
  readonly message: Omit<InboundMessage, 'dup' | 'packetId'>;
  readonly publisherKey: string;
  readonly receivedAtMs: number;
}

/** The last retained message of each topic, oldest topic first. An empty payload removes it. */
export class RetainedMessages {
  readonly #byTopic = new Map<string, RetainedMessage>();

  store(retained: RetainedMessage): void {
    const { topic, payload } = retained.message;
    this.#byTopic.delete(topic);
    if (payload.length === 0) return;
    if (this.#byTopic.size >= RETAINED_MAX) throw new Error(`more than ${RETAINED_MAX} retained messages`);
    this.#byTopic.set(topic, retained);
  }

  matching(filter: string): RetainedMessage[] {
    return [...this.#byTopic.values()].filter(({ message }) => topicMatches(filter, message.topic));
  }
}

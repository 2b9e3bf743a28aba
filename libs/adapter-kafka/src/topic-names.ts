import type { Lane } from '@breakwater/twin-runtime';

/** What a topic carries: one of the log's lanes, or the changes of twins. */
export type TopicRole = Lane | 'changes';

export const TOPIC_ROLES = ['control', 'telemetry', 'changes'] as const satisfies readonly TopicRole[];

/** The record format's generation: a format that old consumers cannot read gets topics of its own. */
const TOPIC_VERSION = 'v1';

/** `breakwater.telemetry.v1` for the prefix `breakwater`. */
export function topicName(prefix: string, role: TopicRole): string {
  return `${prefix}.${role}.${TOPIC_VERSION}`;
}

import { TOPIC_LEVELS_MAX } from '../engine-limits.ts';

/** MQTT 5 §4.7: what a topic name and a topic filter may look like. Both are checked as text that is clean already. */

export function isTopicName(topic: string): boolean {
  return topic.length > 0 && !topic.includes('+') && !topic.includes('#') && !isTooDeep(topic);
}

export function isTopicFilter(filter: string): boolean {
  if (filter.length === 0) return false;
  if (!filter.includes('+') && !filter.includes('#')) return true;
  const levels = filter.split('/');
  return levels.every((level, index) => {
    if (level.includes('#')) return level === '#' && index === levels.length - 1;
    return !level.includes('+') || level === '+';
  });
}

/** Whoever splits a topic by its levels gets no more than these, whatever a client makes up. */
export function isTooDeep(topic: string): boolean {
  if (topic.length < TOPIC_LEVELS_MAX) return false;
  let levels = 1;
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels += 1;
  return levels > TOPIC_LEVELS_MAX;
}

export function isSharedFilter(filter: string): boolean {
  return filter.startsWith('$share/');
}

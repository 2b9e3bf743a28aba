/** MQTT 5 §4.7: what a topic name and a topic filter may look like. Both are checked as text that is clean already. */

export function isTopicName(topic: string): boolean {
  return topic.length > 0 && !topic.includes('+') && !topic.includes('#');
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

export function isSharedFilter(filter: string): boolean {
  return filter.startsWith('$share/');
}

import type { DeviceId } from '@breakwater/twin';
import { DEVICE_TOPIC_PREFIX, GATEWAY_TOPIC_PREFIX, ownTail } from '@breakwater/wire';

/** Where the desired state is sent to: our own topic, and the one that ThingsBoard's firmware listens to. */
export const DESIRED_TOPIC = 'twin/desired';
const DESIRED_ALIAS_TOPIC = 'attributes';

/** A device listens below its own id only, whatever the wildcards. */
export function isOwnFilter(filter: string, device: DeviceId): boolean {
  const tail = ownTail(filter, device);
  return tail !== null && tail !== '';
}

/** Does the filter stand for a topic on which the device is told its desired state? */
export function listensToDesired(filter: string, device: DeviceId): boolean {
  const tail = ownTail(filter, device);
  return tail !== null && (matches(tail, DESIRED_TOPIC) || tail === DESIRED_ALIAS_TOPIC);
}

const ANY_COMMAND = 'commands/any/request';
const ANY_RPC = 'rpc/request/1';

/** Does the filter stand for a topic on which the device is given commands, our own or ThingsBoard's? */
export function listensToCommands(filter: string, device: DeviceId): boolean {
  const tail = ownTail(filter, device);
  if (tail === null) return false;
  // A filter for one command alone is enough to be asked for: what it does not hear of is not sent.
  const isOfOne = /^(?:commands\/[^/]+\/request|rpc\/request\/[^/]+)$/.test(tail);
  return isOfOne || matches(tail, ANY_COMMAND) || matches(tail, ANY_RPC);
}

/**
 * The full topic on which a device hears what is sent to `tail`, in the form in which it subscribed (`me` or its id);
 * null when it does not listen.
 */
export function topicHeard(filters: Iterable<string>, tail: string, device: DeviceId): string | null {
  let alias: string | null = null;
  for (const filter of filters) {
    const filterTail = ownTail(filter, device);
    if (filterTail === null) continue;
    const owner = filter.slice(DEVICE_TOPIC_PREFIX.length, filter.length - filterTail.length - 1);
    if (matches(filterTail, tail)) return `${DEVICE_TOPIC_PREFIX}${owner}/${tail}`;
    if (tail === DESIRED_TOPIC && filterTail === DESIRED_ALIAS_TOPIC) {
      alias = `${DEVICE_TOPIC_PREFIX}${owner}/${DESIRED_ALIAS_TOPIC}`;
    }
  }
  return alias;
}

/** A gateway device also listens for its children. */
export function isGatewayFilter(filter: string): boolean {
  return filter.startsWith(GATEWAY_TOPIC_PREFIX) && filter.length > GATEWAY_TOPIC_PREFIX.length;
}

/** MQTT's rules for filters: `+` is one level, `#` is the rest and also nothing. */
export function matches(filter: string, topic: string): boolean {
  const filterLevels = filter.split('/');
  const topicLevels = topic.split('/');
  for (const [index, level] of filterLevels.entries()) {
    if (level === '#') return true;
    if (index >= topicLevels.length || (level !== '+' && level !== topicLevels[index])) return false;
  }
  return filterLevels.length === topicLevels.length;
}

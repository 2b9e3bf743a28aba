import { isIPv6 } from 'node:net';

const MAPPED_PREFIX = '::ffff:';
const NETWORK_GROUPS = 4;

/**
 * What of an address stands for whoever uses it: all of IPv4, the first 64 bits of IPv6, whose rest everybody chooses
 * for himself. Empty when there is no address.
 */
export function addressKey(remoteAddress: string): string {
  const address = remoteAddress.toLowerCase();
  if (address.startsWith(MAPPED_PREFIX) && address.includes('.')) return address.slice(MAPPED_PREFIX.length);
  const [withoutZone = ''] = address.split('%', 1);
  if (!isIPv6(withoutZone)) return address;
  const [head = '', tail] = withoutZone.split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length;
    while (groups.length < NETWORK_GROUPS && groups.length + behind < 2 * NETWORK_GROUPS) groups.push('0');
    if (tail !== '') groups.push(...tail.split(':'));
  }
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::`;
}

/**
 * PROXY protocol, version 2: a proxy says in front of everything else whose connection it passes on. Version 1 is text
 * and not spoken here. What the header says is believed, so it is read only from listeners that are set to it, and
 * there it must be.
 */

/** Signature, version and command, family, length. */
export const PROXY_PREFIX_BYTES = 16;
export const PROXY_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** Addresses and additions together. A proxy that also tells of the client's certificate needs a few hundred bytes. */
export const PROXY_BODY_BYTES_MAX = 4_096;
const ADDITIONS_MAX = 32;
const ADDITION_HEAD_BYTES = 3;

const VERSION_2 = 0x2;
const COMMAND_LOCAL = 0x0;
const COMMAND_PROXY = 0x1;

export type ProxyPrefix =
  | { readonly kind: 'refused'; readonly detail: string }
  | { readonly kind: 'prefix'; readonly bodyBytes: number; readonly family: ProxyFamily | 'none' };

export type ProxyBody =
  | { readonly kind: 'refused'; readonly detail: string }
  /** Null: the connection is the proxy's own, such as a check of health. */
  | { readonly kind: 'client'; readonly remoteAddress: string | null };

interface ProxyFamily {
  readonly addressBytes: number;
  readonly read: (body: Buffer) => string;
}

const PORTS_BYTES = 4;
/** TCP over IPv4 and over IPv6: source and destination, then their ports. */
const FAMILIES: ReadonlyMap<number, ProxyFamily> = new Map([
  [0x11, { addressBytes: 2 * 4 + PORTS_BYTES, read: (body: Buffer) => body.subarray(0, 4).join('.') }],
  [0x21, { addressBytes: 2 * 16 + PORTS_BYTES, read: readIpv6 }],
]);
const UNSPECIFIED = 0x00;

/** False as soon as the bytes cannot become a signature: no client of ours is let in by waiting for the rest. */
export function mayBeProxySignature(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, PROXY_SIGNATURE.length);
  return bytes.compare(PROXY_SIGNATURE, 0, length, 0, length) === 0;
}

/** Reads the first 16 bytes. */
export function readProxyPrefix(prefix: Buffer): ProxyPrefix {
  if (prefix.length !== PROXY_PREFIX_BYTES) return refused('the header is cut short');
  if (prefix.toString('latin1', 0, 6) === 'PROXY ') return refused('version 1 is not spoken here, send version 2');
  if (!mayBeProxySignature(prefix)) return refused('there is no PROXY header');
  const version = prefix[12]! >> 4;
  const command = prefix[12]! & 0x0f;
  const bodyBytes = prefix.readUInt16BE(14);
  if (version !== VERSION_2) return refused(`version ${version} is not spoken here, send version 2`);
  if (bodyBytes > PROXY_BODY_BYTES_MAX) return refused(`the header is longer than ${PROXY_BODY_BYTES_MAX} bytes`);
  // What a proxy says of addresses on a connection of its own is to be skipped.
  if (command === COMMAND_LOCAL) return { kind: 'prefix', bodyBytes, family: 'none' };
  if (command !== COMMAND_PROXY) return refused(`the command ${command} is unknown`);
  if (prefix[13] === UNSPECIFIED) return { kind: 'prefix', bodyBytes, family: 'none' };
  const family = FAMILIES.get(prefix[13]!);
  if (family === undefined) return refused('only TCP over IPv4 and IPv6 can be passed on');
  if (bodyBytes < family.addressBytes) return refused('the addresses are cut short');
  return { kind: 'prefix', bodyBytes, family };
}

/** Reads what the prefix announced. */
export function readProxyBody(body: Buffer, { family }: { readonly family: ProxyFamily | 'none' }): ProxyBody {
  if (family === 'none') return { kind: 'client', remoteAddress: null };
  const wrong = wrongAdditions(body, family.addressBytes);
  if (wrong !== null) return refused(wrong);
  return { kind: 'client', remoteAddress: family.read(body) };
}

/** Nothing of the additions is used, but a header that does not add up was not written by a proxy. */
function wrongAdditions(body: Buffer, from: number): string | null {
  let at = from;
  for (let count = 0; at < body.length; count += 1) {
    if (count === ADDITIONS_MAX) return `there are more than ${ADDITIONS_MAX} additions`;
    if (at + ADDITION_HEAD_BYTES > body.length) return 'an addition is cut short';
    at += ADDITION_HEAD_BYTES + body.readUInt16BE(at + 1);
  }
  return at === body.length ? null : 'an addition is cut short';
}

/** As the system writes it for a socket: an IPv4 address in an IPv6 one stays recognisable. */
function readIpv6(body: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => body.readUInt16BE(index * 2));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `::ffff:${body.subarray(12, 16).join('.')}`;
  }
  const text = words.map((word) => word.toString(16)).join(':');
  // The URL parser writes an address in its canonical form (RFC 5952).
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function refused(detail: string): { readonly kind: 'refused'; readonly detail: string } {
  return { kind: 'refused', detail };
}

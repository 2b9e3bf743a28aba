import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  PROXY_BODY_BYTES_MAX,
  PROXY_PREFIX_BYTES,
  PROXY_SIGNATURE,
  type ProxyBody,
  readProxyBody,
  readProxyPrefix,
} from './proxy-protocol.ts';

const TCP4 = 0x11;
const TCP6 = 0x21;

function header(versionAndCommand: number, family: number, body: Buffer): Buffer {
  const head = Buffer.from([versionAndCommand, family, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([PROXY_SIGNATURE, head, body]);
}

function read(bytes: Buffer): ProxyBody {
  const prefix = readProxyPrefix(bytes.subarray(0, PROXY_PREFIX_BYTES));
  if (prefix.kind === 'refused') return prefix;
  return readProxyBody(bytes.subarray(PROXY_PREFIX_BYTES), prefix);
}

const octets = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((all) => Buffer.from(all));
const additions = fc
  .array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 })), { maxLength: 32 })
  .map((all) =>
    Buffer.concat(
      all.map(([type, value]) => Buffer.concat([Buffer.from([type, value.length >> 8, value.length]), value])),
    ),
  );

describe('PROXY protocol', () => {
  it('names the client that the proxy speaks for, over IPv4 and IPv6, whatever is added', () => {
    fc.assert(
      fc.property(octets(4), octets(8), additions, (source, rest, added) => {
        const body = Buffer.concat([source, rest, added]);
        expect(read(header(0x21, TCP4, body))).toEqual({ kind: 'client', remoteAddress: [...source].join('.') });
      }),
    );
    fc.assert(
      fc.property(octets(16), octets(20), additions, (source, rest, added) => {
        const found = read(header(0x21, TCP6, Buffer.concat([source, rest, added])));
        expect(found.kind).toBe('client');
        if (found.kind === 'client') expect(bytesOfIpv6(found.remoteAddress!)).toEqual([...source]);
      }),
    );
  });

  it('skips what a proxy says of a connection of its own', () => {
    fc.assert(
      fc.property(fc.nat(255), octets(30), (family, body) => {
        expect(read(header(0x20, family, body))).toEqual({ kind: 'client', remoteAddress: null });
      }),
    );
    expect(read(header(0x21, 0x00, Buffer.alloc(0)))).toEqual({ kind: 'client', remoteAddress: null });
  });

  it('takes any bytes without throwing, and lets in only what is whole', () => {
    const near = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(0xffff), fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(near, ([command, family, length, bytes]) => {
        const head = Buffer.from([command, family, length >> 8, length & 0xff]);
        const prefix = readProxyPrefix(Buffer.concat([PROXY_SIGNATURE, head]));
        if (prefix.kind === 'refused') return;
        expect(prefix.bodyBytes).toBeLessThanOrEqual(PROXY_BODY_BYTES_MAX);
        if (bytes.length < prefix.bodyBytes) return;
        expect(['client', 'refused']).toContain(readProxyBody(Buffer.from(bytes.subarray(0, length)), prefix).kind);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: PROXY_PREFIX_BYTES }), (bytes) => {
        expect(readProxyPrefix(Buffer.from(bytes)).kind).toBe('refused');
      }),
    );
  });

  it('refuses additions that do not add up', () => {
    fc.assert(
      fc.property(additions, fc.integer({ min: 1, max: 20 }), (added, missing) => {
        const bodyWithout = Buffer.concat([Buffer.alloc(12), added, Buffer.from([4, 0, missing])]);
        expect(read(header(0x21, TCP4, bodyWithout)).kind).toBe('refused');
      }),
    );
    const tooMany = Buffer.concat([Buffer.alloc(12), ...Array.from({ length: 33 }, () => Buffer.from([4, 0, 0]))]);
    expect(read(header(0x21, TCP4, tooMany))).toEqual({ kind: 'refused', detail: 'there are more than 32 additions' });
  });

  it.each([
    ['version 1', Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n').subarray(0, 16), /version 1 is not spoken/],
    ['an MQTT CONNECT', Buffer.from('101000044d5154540402003c0004646565', 'hex').subarray(0, 16), /no PROXY header/],
    ['another version', header(0x31, TCP4, Buffer.alloc(0)), /version 3/],
    ['an unknown command', header(0x22, TCP4, Buffer.alloc(0)), /command 2/],
    ['UDP', header(0x21, 0x12, Buffer.alloc(0)), /only TCP/],
    ['a Unix socket', header(0x21, 0x31, Buffer.alloc(0)), /only TCP/],
    ['addresses cut short', header(0x21, TCP4, Buffer.alloc(0)), /cut short/],
    ['a body beyond the limit', Buffer.concat([PROXY_SIGNATURE, Buffer.from([0x21, TCP4, 0xff, 0xff])]), /longer/],
  ])('refuses %s and says why', (_, bytes, detail) => {
    expect(readProxyPrefix(bytes.subarray(0, PROXY_PREFIX_BYTES))).toEqual({
      kind: 'refused',
      detail: expect.stringMatching(detail),
    });
  });
});

function bytesOfIpv6(text: string): number[] {
  const mapped = /^::ffff:(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (mapped !== null) return [...Array<number>(10).fill(0), 255, 255, ...mapped.slice(1).map(Number)];
  const [left = '', right] = text.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const head = words(left);
  const tail = right === undefined ? [] : words(right);
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return all.flatMap((word) => [word >> 8, word & 0xff]);
}

import type { DeviceKey } from '@breakwater/twin';
import { describe, expect, it } from '@jest/globals';

import { murmur2, partitionOf } from './partition-of.ts';

describe('murmur2', () => {
  // The vectors of Kafka's own UtilsTest.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s as the Java client does', (text, hash) => {
    expect(murmur2(new TextEncoder().encode(text))).toBe(hash);
  });
});

describe('partitionOf', () => {
  // Made by Utils.murmur2 and BuiltInPartitioner.partitionForKey of kafka-clients 4.1.0, for 16 and for 64 partitions.
  it.each([
    ['default/pump-7', -120143974, 10, 26],
    ['acme/a', 372905849, 9, 57],
    ['acme/ab', 942973003, 11, 11],
    ['acme/abc', 521285282, 2, 34],
    ['acme/abcd', -1941919099, 5, 5],
    ['default/00:1B:44:11:3A:B7', 851553585, 1, 49],
    ['default/sensor_0001.north', -743556238, 2, 50],
    ['t/d', 786531871, 15, 31],
    ['my-tenant/device-000042', -837775101, 3, 3],
    [`${'x'.repeat(63)}/${'y'.repeat(128)}`, -1383039697, 15, 47],
  ])("puts %s where Kafka's own producer puts it", (key, hash, of16, of64) => {
    expect(murmur2(new TextEncoder().encode(key))).toBe(hash);
    expect([partitionOf(key as DeviceKey, 16), partitionOf(key as DeviceKey, 64)]).toEqual([of16, of64]);
  });
});

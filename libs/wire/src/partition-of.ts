import type { DeviceKey, Partition } from '@breakwater/twin';

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

const encoder = new TextEncoder();

/** The partition of a key, as Kafka's own Java client computes it: `toPositive(murmur2(key)) % partitionCount`. */
export function partitionOf(key: DeviceKey, partitionCount: number): Partition {
  return ((murmur2(encoder.encode(key)) & 0x7fffffff) % partitionCount) as Partition;
}

/** 32-bit MurmurHash2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2). */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = SEED ^ length;
  const whole = length - (length % 4);
  for (let at = 0; at < whole; at += 4) {
    let k =
      byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    k = Math.imul(k, M);
    hash = Math.imul(hash, M) ^ k;
  }
  const rest = length - whole;
  if (rest === 3) hash ^= byteAt(bytes, whole + 2) << 16;
  if (rest >= 2) hash ^= byteAt(bytes, whole + 1) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ byteAt(bytes, whole), M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

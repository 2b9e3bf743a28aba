import { isDeviceId, type DeviceId, type JsonObject } from '@breakwater/twin';
import { isTelemetryKey } from '@breakwater/wire';

import { Problem } from '../http/problem.ts';

const PAGE_MAX = 500;
const KEYS_MAX = 64;
const STEP_MS_MIN = 1_000;
const STEP_MS_MAX = 366 * 86_400_000;
const UNIX_MS_MAX = 9_214_646_400_000;

/** GraphQL checks the types of arguments; what is meant by them is checked here, as strictly as REST does. */
export function deviceIdArgument(id: string): DeviceId {
  if (isDeviceId(id)) return id;
  throw invalid('a device id is 1 to 128 of A-Z a-z 0-9 _ . : - and not `me`');
}

export function pageArgument(size: number | null | undefined, fallback: number): number {
  if (size === null || size === undefined) return fallback;
  if (size >= 1 && size <= PAGE_MAX) return size;
  throw invalid(`a page has 1 to ${PAGE_MAX} items`);
}

export function timeArgument(name: string, ms: number | null | undefined): number | undefined {
  if (ms === null || ms === undefined) return undefined;
  if (Number.isInteger(ms) && ms >= 0 && ms <= UNIX_MS_MAX) return ms;
  throw invalid(`${name} is a time in Unix ms`);
}

export function stepArgument(step: number | null | undefined): number | undefined {
  if (step === null || step === undefined) return undefined;
  if (Number.isInteger(step) && step >= STEP_MS_MIN && step <= STEP_MS_MAX) return step;
  throw invalid(`step is a whole number of ms from ${STEP_MS_MIN} to ${STEP_MS_MAX}`);
}

export function keysArgument(keys: readonly string[] | null | undefined): readonly string[] | undefined {
  if (keys === null || keys === undefined) return undefined;
  if (keys.length <= KEYS_MAX && keys.every(isTelemetryKey)) return [...new Set(keys)];
  throw invalid(`keys are at most ${KEYS_MAX}, each 1 to 64 of A-Z a-z 0-9 _ . -`);
}

/** A patch has to be an object; what is in it is for the twin to judge. */
export function patchArgument(name: string, value: unknown): JsonObject | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  throw invalid(`${name} is a JSON object`);
}

export function invalid(detail: string): Problem {
  return new Problem('REQUEST_INVALID', detail);
}

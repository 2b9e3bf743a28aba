import { setTimeout as delay } from 'node:timers/promises';

import { inOneWrite, isCluster, type RedisClient } from './redis-client.ts';

export interface StreamPlace {
  readonly key: string;
  /** The id of an entry; what comes after it is read. */
  readonly after: string;
}

export interface StreamLimits {
  /** Entries of each stream. */
  readonly count: number;
  /** How long to wait when there is nothing. 0 answers at once. */
  readonly waitMs: number;
}

/** How often a cluster is asked while there is nothing: at first soon, and then at leisure. */
const POLL_MS_MIN = 2;
const POLL_MS_MAX = 25;
const SLOT_TAG = /\{(.+?)\}/;

/**
 * What came after a place in each of several streams, as XREAD answers it; null where there is nothing.
 *
 * One server answers and waits by itself. A cluster takes no command for several slots, and a connection that waits for
 * one slot can ask for no other; so its slots are asked one by one, all at the same time and again and again until one
 * has something. When some have nothing and others do not answer, that is an error; when one has something it is
 * answered, so that a node that is away does not hold up the streams of the others.
 */
export async function readStreams<Stream>(
  read: (args: (string | number)[]) => Promise<readonly Stream[] | null>,
  redis: RedisClient,
  { places, count, waitMs }: StreamLimits & { readonly places: readonly StreamPlace[] },
): Promise<readonly Stream[]> {
  if (!isCluster(redis)) return (await read(readArguments(places, { count, waitMs }))) ?? [];
  const slots = bySlotTag(places).map((ofOne) => readArguments(ofOne, { count, waitMs: 0 }));
  const endsAtMs = performance.now() + waitMs;
  for (let pauseMs = POLL_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, POLL_MS_MAX)) {
    const answers = await Promise.allSettled(inOneWrite(redis, () => slots.map((args) => read(args))));
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value ?? []) : []));
    if (found.length > 0) return found;
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const leftMs = endsAtMs - performance.now();
    if (leftMs <= 0) return [];
    await delay(Math.min(pauseMs, leftMs));
  }
}

function readArguments(places: readonly StreamPlace[], { count, waitMs }: StreamLimits): (string | number)[] {
  return [
    ...['COUNT', count],
    // BLOCK 0 would wait for ever.
    ...(waitMs > 0 ? ['BLOCK', Math.ceil(waitMs)] : []),
    'STREAMS',
    ...places.map(({ key }) => key),
    ...places.map(({ after }) => after),
  ];
}

function bySlotTag(places: readonly StreamPlace[]): readonly (readonly StreamPlace[])[] {
  const groups = new Map<string, StreamPlace[]>();
  for (const place of places) {
    const tag = SLOT_TAG.exec(place.key)?.[1] ?? place.key;
    const group = groups.get(tag);
    if (group === undefined) groups.set(tag, [place]);
    else group.push(place);
  }
  return [...groups.values()];
}

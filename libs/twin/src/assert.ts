/** A broken invariant. It is never caught to go on: the shard or process that sees it stops loudly. */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

/** States what must always be true. On in production: a wrong state costs more than a stopped shard. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new AssertionFailed(sentence);
}

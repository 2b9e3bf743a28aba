/**
 * A generator that waits for its next notice ignores `return` until one comes. Closing the stream first ends the wait,
 * so that a client that leaves frees its place at once.
 */
export class LiveIterator<Notice> implements AsyncIterableIterator<object> {
  readonly #notices: AsyncGenerator<Notice, void, undefined>;
  readonly #close: () => void;
  readonly #payloadOf: (notice: Notice) => object;

  constructor(
    stream: { readonly notices: AsyncGenerator<Notice, void, undefined>; readonly close: () => void },
    payloadOf: (notice: Notice) => object,
  ) {
    this.#notices = stream.notices;
    this.#close = stream.close;
    this.#payloadOf = payloadOf;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<object>> {
    const step = await this.#notices.next();
    return step.done === true ? { done: true, value: undefined } : { done: false, value: this.#payloadOf(step.value) };
  }

  async return(): Promise<IteratorResult<object>> {
    this.#close();
    await this.#notices.return();
    return { done: true, value: undefined };
  }
}

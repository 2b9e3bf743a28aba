/** How often each method of the platform's stores was called, and for how many partitions or items at once. */
export class CallCounts {
  readonly #calls = new Map<string, { calls: number; items: number }>();

  note(name: string, items: number): void {
    const known = this.#calls.get(name) ?? { calls: 0, items: 0 };
    this.#calls.set(name, { calls: known.calls + 1, items: known.items + items });
  }

  /** What was counted since the last call. */
  take(): ReadonlyMap<string, { readonly calls: number; readonly items: number }> {
    const taken = new Map(this.#calls);
    this.#calls.clear();
    return taken;
  }
}

/** The port, with every call counted as `<name>.<method>`; a list in front counts as many items as it has. */
export function countedPort<Port extends object>(name: string, port: Port, counts: CallCounts): Port {
  return new Proxy(port, {
    get: (target, property) => {
      const method = Reflect.get(target, property) as unknown;
      if (typeof method !== 'function') return method;
      return (...args: readonly unknown[]): unknown => {
        const [first] = args;
        counts.note(`${name}.${String(property)}`, Array.isArray(first) ? first.length : 1);
        return Reflect.apply(method, target, args);
      };
    },
  });
}

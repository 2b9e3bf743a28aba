import type { JsonValue } from './json.ts';

/**
 * The values of a point as two lists: the names, sorted and each once, and beside each its value. The many points that
 * carry the same names share one list of them, so that a value costs its own bytes and no entry of a map.
 */
export class NamedValues implements ReadonlyMap<string, JsonValue> {
  readonly names: readonly string[];
  readonly list: readonly JsonValue[];

  /** @param names sorted by code units, each once, as many as there are values. */
  constructor(names: readonly string[], list: readonly JsonValue[]) {
    this.names = names;
    this.list = list;
  }

  get size(): number {
    return this.names.length;
  }

  get(name: string): JsonValue | undefined {
    const index = this.names.indexOf(name);
    return index < 0 ? undefined : this.list[index];
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  forEach(callback: (value: JsonValue, name: string, map: ReadonlyMap<string, JsonValue>) => void): void {
    for (const [name, value] of this) callback(value, name, this);
  }

  *entries(): MapIterator<[string, JsonValue]> {
    for (let index = 0; index < this.names.length; index++) {
      yield [this.names[index] as string, this.list[index] as JsonValue];
    }
  }

  keys(): MapIterator<string> {
    return this.names.values();
  }

  values(): MapIterator<JsonValue> {
    return this.list.values();
  }

  [Symbol.iterator](): MapIterator<[string, JsonValue]> {
    return this.entries();
  }
}

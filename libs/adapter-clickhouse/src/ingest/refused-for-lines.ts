import { PlatformError } from '@breakwater/twin-runtime';

/**
 * Codes of ClickHouse that speak of the text of a line: it cannot be read, or not as the type that it should be. Any
 * other refusal (rights, disk, schema, memory) says nothing against a line.
 */
const LINE_CODES = new Set(['6', '25', '26', '27', '33', '38', '41', '53', '69', '70', '72', '117', '131', '349']);

/** Whether an insert was refused because of what stands in its lines, so that it will be each time. */
export function isRefusedForLines(error: unknown): boolean {
  return error instanceof PlatformError && LINE_CODES.has(String(error.details['clickhouseCode']));
}

import type { Rejection } from './decision.ts';
import { VERSION_KEY } from './decision.ts';
import { jsonBytes, jsonFits, jsonProblem } from './json-size.ts';
import type { JsonObject } from './json.ts';
import { TWIN_LIMITS } from './limits.ts';
import { isJsonObject } from './own-property.ts';

/** Whether a patch can be merged at all. A result is never deeper than the deeper of document and patch. */
export function checkPatch(patch: unknown, section: string): Rejection | null {
  if (!isJsonObject(patch)) return { code: 'PATCH_INVALID', detail: `${section} must be a JSON object.` };
  const problem = jsonProblem(patch, TWIN_LIMITS.depthMax);
  if (problem === 'tooDeep') {
    return { code: 'JSON_TOO_DEEP', detail: `${section} has more than ${TWIN_LIMITS.depthMax} levels.` };
  }
  if (problem === 'notJson') {
    return { code: 'PATCH_INVALID', detail: `${section} has a number beyond the range of a double.` };
  }
  if (section === 'desired' && Object.hasOwn(patch, VERSION_KEY)) {
    return { code: 'PATCH_INVALID', detail: `${VERSION_KEY} is reserved at the top of desired.` };
  }
  return null;
}

/** Whether what one writer owns fits, after the change. */
export function checkSize(sections: readonly JsonObject[], names: string): Rejection | null {
  const bytesMax = TWIN_LIMITS.documentBytesMax;
  if (sections.length === 1 && jsonFits(sections[0] as JsonObject, bytesMax)) return null;
  const bytes = sections.reduce((sum, section) => sum + jsonBytes(section), 0);
  if (bytes <= bytesMax) return null;
  return { code: 'TWIN_TOO_LARGE', detail: `${names} would have ${bytes} bytes, over the limit of ${bytesMax}.` };
}

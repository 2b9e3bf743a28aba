import { documentsMemoryBytes } from './estimate-bytes.ts';
import type { TwinState } from './twin-state.ts';

type Documents = Partial<
  Pick<
    TwinState,
    | 'version'
    | 'changeNumber'
    | 'reportedVersion'
    | 'desired'
    | 'reported'
    | 'tags'
    | 'desiredTimestamps'
    | 'reportedTimestamps'
    | 'tagsTimestamps'
  >
>;

/** The one way to another desired, reported or tags: what is derived from them can not be forgotten. */
export function withDocuments(state: TwinState, documents: Documents): TwinState {
  const next = { ...state, ...documents };
  next.documentsMemoryBytes = documentsMemoryBytes(next);
  return next;
}

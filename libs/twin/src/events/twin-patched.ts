import { restamp } from '../path-timestamps.ts';
import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';
import { withDocuments } from '../with-documents.ts';

/** One version for both sections: a patch of both is one change. */
export function evolveTwinPatched(state: TwinState, { desired, tags, atMs }: EventOf<'twinPatched'>): TwinState {
  return withDocuments(state, {
    version: state.version + 1,
    changeNumber: state.changeNumber + 1,
    desired,
    tags,
    desiredTimestamps: restamp({
      before: state.desired,
      after: desired,
      timestamps: state.desiredTimestamps,
      atMs,
    }),
    tagsTimestamps: restamp({ before: state.tags, after: tags, timestamps: state.tagsTimestamps, atMs }),
  });
}

import { restamp } from '../path-timestamps.ts';
import type { EventOf } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';
import { withDocuments } from '../with-documents.ts';

export function evolveReportedMerged(state: TwinState, { reported, atMs }: EventOf<'reportedMerged'>): TwinState {
  return withDocuments(state, {
    reportedVersion: state.reportedVersion + 1,
    changeNumber: state.changeNumber + 1,
    reported,
    reportedTimestamps: restamp({
      before: state.reported,
      after: reported,
      timestamps: state.reportedTimestamps,
      atMs,
    }),
  });
}

import { deltaOf } from './delta.ts';
import type { JsonObject } from './json.ts';
import { setOwn, type OpenObject } from './own-property.ts';
import type { LatestTelemetry } from './latest-telemetry.ts';
import type { Presence, TwinState } from './twin-state.ts';

/** The twin as applications and devices see it. Times are Unix ms. */
export function twinDocument(state: TwinState): JsonObject {
  return {
    id: state.device,
    incarnation: state.incarnation,
    version: state.version,
    reportedVersion: state.reportedVersion,
    changeNumber: state.changeNumber,
    desired: state.desired,
    reported: state.reported,
    delta: deltaOf(state.desired, state.reported),
    tags: state.tags,
    telemetry: telemetryDocument(state.telemetry),
    presence: presenceDocument(state.presence),
    metadata: {
      desired: state.desiredTimestamps,
      reported: state.reportedTimestamps,
      tags: state.tagsTimestamps,
    },
    ...(state.createdAtMs === null ? {} : { createdAt: state.createdAtMs }),
    ...(state.deletedAtMs === null ? {} : { deletedAt: state.deletedAtMs }),
  };
}

function telemetryDocument(table: LatestTelemetry): JsonObject {
  const document: OpenObject = {};
  for (const { name, tsMs, value, tooLarge } of table) {
    setOwn(document, name, tooLarge ? { ts: tsMs, value, tooLarge } : { ts: tsMs, value });
  }
  return document;
}

function presenceDocument({ connected, sinceMs, sessionEpoch, reason, status }: Presence): JsonObject {
  return {
    connected,
    since: sinceMs,
    sessionEpoch,
    ...(reason === null ? {} : { reason }),
    ...(status === undefined ? {} : { status }),
  };
}

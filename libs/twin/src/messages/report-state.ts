import { checkPatch, checkSize } from '../check-patch.ts';
import {
  type Decide,
  type Decision,
  downlink,
  NO_EFFECTS,
  NO_EVENTS,
  NOTHING_TO_DO,
  type Rejection,
  VERSION_KEY,
} from '../decision.ts';
import type { JsonObject } from '../json.ts';
import { mergePatch } from '../merge-patch.ts';
import { setOwn, type OpenObject } from '../own-property.ts';
import type { TwinContext, TwinEffect } from '../twin-message.ts';
import type { TwinState } from '../twin-state.ts';

/** The device says what it is. `$version`, where it is given, must be the present version of `reported`. */
export const decideReportState: Decide<'reportState'> = (state, { patch, expectedVersion }, context) => {
  // What a gateway that hung wrote late stands behind what the device has said since by its newer connection.
  if (context.sessionEpoch !== 0 && context.sessionEpoch < state.presence.sessionEpoch) return NOTHING_TO_DO;
  const refusal = checkPatch(patch, 'reported') ?? checkVersion(state, patch, expectedVersion);
  if (refusal !== null) return refuse(state, refusal, context);
  const reported = mergePatch(state.reported, withoutVersion(patch));
  if (reported === state.reported)
    return { events: NO_EVENTS, effects: accepted(state, state.reportedVersion, context) };
  const tooLarge = checkSize([reported], 'reported');
  if (tooLarge !== null) return refuse(state, tooLarge, context);
  return {
    events: [{ kind: 'reportedMerged', reported, atMs: context.nowMs }],
    effects: [...accepted(state, state.reportedVersion + 1, context), { kind: 'changed', sections: ['reported'] }],
  };
};

function checkVersion(state: TwinState, patch: JsonObject, expectedVersion: number | undefined): Rejection | null {
  const given = [expectedVersion, Object.hasOwn(patch, VERSION_KEY) ? patch[VERSION_KEY] : undefined];
  for (const version of given) {
    if (version === undefined) continue;
    if (!Number.isSafeInteger(version)) {
      return { code: 'PATCH_INVALID', detail: `${VERSION_KEY} must be a whole number.` };
    }
    if (version !== state.reportedVersion) {
      const detail = `reported has version ${state.reportedVersion}, not ${version as number}.`;
      return { code: 'TWIN_VERSION_CONFLICT', detail };
    }
  }
  return null;
}

function withoutVersion(patch: JsonObject): JsonObject {
  if (!Object.hasOwn(patch, VERSION_KEY)) return patch;
  const rest: OpenObject = {};
  for (const key of Object.keys(patch)) if (key !== VERSION_KEY) setOwn(rest, key, patch[key] ?? null);
  return rest;
}

function accepted(state: TwinState, reportedVersion: number, context: TwinContext): readonly TwinEffect[] {
  return reply(state, { topic: 'twin/reported/accepted', payload: { [VERSION_KEY]: reportedVersion } }, context);
}

function refuse(state: TwinState, rejection: Rejection, context: TwinContext): Decision {
  const payload = { code: rejection.code, detail: rejection.detail };
  const effects = reply(state, { topic: 'twin/reported/rejected', payload }, context);
  return { events: NO_EVENTS, effects, rejection };
}

/** A report that no session carried has nobody to answer. */
function reply(
  state: TwinState,
  answer: { readonly topic: string; readonly payload: JsonObject },
  { sessionEpoch }: TwinContext,
): readonly TwinEffect[] {
  return sessionEpoch === 0 ? NO_EFFECTS : [downlink({ ...answer, sessionEpoch, twinVersion: state.version })];
}

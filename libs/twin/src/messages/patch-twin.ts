import { checkPatch, checkSize } from '../check-patch.ts';
import {
  type Decide,
  type Decision,
  downlink,
  NO_EVENTS,
  type MessageOf,
  type Rejection,
  VERSION_KEY,
} from '../decision.ts';
import type { JsonObject } from '../json.ts';
import { TWIN_LIMITS } from '../limits.ts';
import { mergePatch, mergePatchBetween } from '../merge-patch.ts';
import { setOwn, type OpenObject } from '../own-property.ts';
import type { TwinEvent } from '../twin-event.ts';
import type { OperationOutcome, TwinEffect } from '../twin-message.ts';
import { operationOutcome, type TwinState } from '../twin-state.ts';

type PatchTwin = MessageOf<'patchTwin'>;

/**
 * An application's write. Whatever became of it is remembered with its operation id, refusals too: a repeat changes
 * nothing and gets the first answer, as an HTTP client that lost the reply expects.
 */
export const decidePatchTwin: Decide<'patchTwin'> = (state, message, context) => {
  const known = operationOutcome(state, message.operationId);
  if (known !== null) return { events: NO_EVENTS, effects: [answered(message.operationId, known)] };
  const rejection = checkPreconditions(state, message);
  if (rejection !== null) return reject(state, message, rejection);

  const desired = message.desired === undefined ? state.desired : mergePatch(state.desired, message.desired);
  const tags = message.tags === undefined ? state.tags : mergePatch(state.tags, message.tags);
  const changed = desired !== state.desired || tags !== state.tags;
  if (!changed) return finish(message, { kind: 'applied', version: state.version }, { events: [], effects: [] });
  const tooLarge = checkSize([desired, tags], 'desired and tags');
  if (tooLarge !== null) return reject(state, message, tooLarge);

  const version = state.version + 1;
  return finish(
    message,
    { kind: 'applied', version },
    {
      events: [{ kind: 'twinPatched', desired, tags, atMs: context.nowMs }],
      effects: [
        { kind: 'changed', sections: changedSections(state, desired, tags) },
        ...toDevice(state, desired, version),
      ],
    },
  );
};

function checkPreconditions(state: TwinState, { operationId, ifMatch, desired, tags }: PatchTwin): Rejection | null {
  if (operationId.length > TWIN_LIMITS.operationIdLengthMax) {
    return { code: 'PATCH_INVALID', detail: 'The operation id is too long.' };
  }
  if (ifMatch !== undefined && !ifMatch.includes(state.version)) {
    const detail = `The twin has version ${state.version}, not ${ifMatch.join(' or ')}.`;
    return { code: 'TWIN_VERSION_CONFLICT', detail };
  }
  return (
    (desired === undefined ? null : checkPatch(desired, 'desired')) ??
    (tags === undefined ? null : checkPatch(tags, 'tags'))
  );
}

function changedSections(state: TwinState, desired: JsonObject, tags: JsonObject): readonly ('desired' | 'tags')[] {
  if (desired === state.desired) return ['tags'];
  return tags === state.tags ? ['desired'] : ['desired', 'tags'];
}

/**
 * A listening device is sent what this write changed in `desired`, `null` for what is gone. Not only what differs from
 * `reported`: an earlier change may be on its way to the device, and taking it back must reach the device too, though
 * the report still shows the old value.
 */
function toDevice(state: TwinState, desired: JsonObject, version: number): readonly TwinEffect[] {
  const { connected, desiredSubscribed, sessionEpoch } = state.presence;
  if (!connected || !desiredSubscribed || desired === state.desired) return [];
  const payload: OpenObject = { [VERSION_KEY]: version };
  const patch = mergePatchBetween(state.desired, desired);
  for (const key of Object.keys(patch)) setOwn(payload, key, patch[key] ?? null);
  return [downlink({ topic: 'twin/desired', payload, sessionEpoch, twinVersion: version })];
}

function reject(state: TwinState, message: PatchTwin, rejection: Rejection): Decision {
  const outcome = { kind: 'rejected', ...rejection, version: state.version } as const;
  // An id that is too long is not remembered: the list of operations has a bounded size.
  const tooLong = message.operationId.length > TWIN_LIMITS.operationIdLengthMax;
  if (tooLong) return { events: NO_EVENTS, effects: [answered(message.operationId, outcome)], rejection };
  return { ...finish(message, outcome, { events: [], effects: [] }), rejection };
}

function finish(
  { operationId }: PatchTwin,
  outcome: OperationOutcome,
  { events, effects }: { readonly events: readonly TwinEvent[]; readonly effects: readonly TwinEffect[] },
): Decision {
  return {
    events: [...events, { kind: 'operationRecorded', operationId, outcome }],
    effects: [...effects, answered(operationId, outcome)],
  };
}

function answered(operationId: string, outcome: OperationOutcome): TwinEffect {
  return { kind: 'operationAnswered', operationId, outcome };
}

import { type Decide, downlink, NO_EVENTS, NOTHING_TO_DO } from '../decision.ts';
import type { JsonObject } from '../json.ts';
import { type OpenObject, setOwn } from '../own-property.ts';

/** Answers in the form of ThingsBoard: a scope without values is left out. */
export const decideGetAttributes: Decide<'getAttributes'> = (state, message, { sessionEpoch }) => {
  if (sessionEpoch === 0) return NOTHING_TO_DO;
  const { requestId, clientKeys, sharedKeys } = message;
  const everything = clientKeys === undefined && sharedKeys === undefined;
  const client = pick(state.reported, everything ? Object.keys(state.reported) : clientKeys);
  const shared = pick(state.desired, everything ? Object.keys(state.desired) : sharedKeys);
  const payload = { ...(client && { client }), ...(shared && { shared }) };
  const topic = `attributes/response/${requestId}`;
  const reply = { topic, payload, sessionEpoch, twinVersion: state.version };
  return { events: NO_EVENTS, effects: [downlink(reply)] };
};

function pick(section: JsonObject, keys: readonly string[] = []): JsonObject | null {
  const picked: OpenObject = {};
  for (const key of keys) if (Object.hasOwn(section, key)) setOwn(picked, key, section[key] ?? null);
  return Object.keys(picked).length === 0 ? null : picked;
}

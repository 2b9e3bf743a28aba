import { ALL_SECTIONS, type Decide, NOTHING_TO_DO } from '../decision.ts';

/** The device may have spoken before this record came: then only the time of its creation is added. */
export const decideDeviceCreated: Decide<'deviceCreated'> = (state, _message, { nowMs }) => {
  if (state.createdAtMs !== null) return NOTHING_TO_DO;
  return {
    events: [{ kind: 'twinCreated', atMs: nowMs }],
    effects: [{ kind: 'changed', sections: ALL_SECTIONS }],
  };
};

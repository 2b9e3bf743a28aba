import { ALL_SECTIONS, type Decide } from '../decision.ts';

export const decideDeviceDeleted: Decide<'deviceDeleted'> = (_state, _message, { nowMs }) => ({
  events: [{ kind: 'twinDeleted', atMs: nowMs }],
  effects: [{ kind: 'changed', sections: ALL_SECTIONS }],
});

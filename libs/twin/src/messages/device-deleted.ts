import { moveCommand } from '../commands/change-command.ts';
import { mayBeThere } from '../commands/command.ts';
import { ALL_SECTIONS, type Decide } from '../decision.ts';
import type { TwinEffect } from '../twin-message.ts';

/** The end of a life is the end of its commands: each is told of, so that nobody waits for it. */
export const decideDeviceDeleted: Decide<'deviceDeleted'> = ({ commands }, _message, { nowMs }) => {
  const canceled = commands.pending.map((command): TwinEffect => {
    const ended = moveCommand(command, 'CANCELED', nowMs, 'the device was deleted');
    return { kind: 'commandChanged', command: mayBeThere(command) ? { ...ended, mayHaveRun: true } : ended };
  });
  return {
    events: [{ kind: 'twinDeleted', atMs: nowMs }],
    effects: [{ kind: 'changed', sections: ALL_SECTIONS }, ...canceled],
  };
};

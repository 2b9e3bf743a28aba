import { describe, expect, it } from '@jest/globals';

import { moveCommand } from './change-command.ts';
import { type TwinCommand, wasRefused } from './command.ts';
import { newCommand } from './new-command.ts';

const ORDER = { commandId: 'c1', bodyDigest: 'b1', method: 'reboot', deadlineMs: 60_000 };

describe('a command that its twin had no room for', () => {
  const ordered = newCommand(ORDER, 1, 1_000);

  it('is told from one that the device rejected', () => {
    expect(wasRefused(moveCommand(ordered, 'REJECTED', 1_000, 'full'))).toBe(true);
    const given: TwinCommand = { ...moveCommand(ordered, 'SENT', 1_000), dispatches: 1 };
    expect(wasRefused(moveCommand(given, 'REJECTED', 1_000))).toBe(false);
    expect(wasRefused(moveCommand(ordered, 'REJECTED', 1_001))).toBe(false);
    for (const state of ['EXPIRED', 'CANCELED'] as const) {
      expect(wasRefused(moveCommand(ordered, state, 1_000))).toBe(false);
    }
    expect(wasRefused(ordered)).toBe(false);
  });
});

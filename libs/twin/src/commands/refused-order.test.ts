import { describe, expect, it } from '@jest/globals';

import { applyMessage, type AppliedMessage } from '../apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from '../ids.ts';
import { parseTwin, serializeTwin } from '../state-text.ts';
import type { TwinMessage } from '../twin-message.ts';
import { newTwin, type TwinState } from '../twin-state.ts';
import { COMMAND_LIMITS } from './command-limits.ts';
import { findCommand, wasRefused } from './command.ts';

const DEADLINE_MS = 3_600_000;
const WORKFLOW = '';

/** A twin that has as many commands as it may have. */
class FullTwin {
  state: TwinState = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);
  #offset = 0;

  constructor() {
    for (let number = 0; number < COMMAND_LIMITS.pendingMax; number++) this.order(`c${number}`, `op-${number}`);
  }

  order(commandId: string, operationId: string): AppliedMessage {
    const order = { commandId, bodyDigest: 'b', method: 'reboot', deadlineMs: DEADLINE_MS };
    return this.say({ kind: 'orderCommand', operationId, ...order });
  }

  makeRoom(): void {
    this.say({ kind: 'cancelCommand', operationId: WORKFLOW, commandId: 'c0', force: false, reason: 'no need' });
  }

  say(message: TwinMessage): AppliedMessage {
    const applied = applyMessage(this.state, message, {
      nowMs: this.#offset,
      lane: 'control',
      offset: this.#offset++ as Offset,
      incarnation: 1 as Incarnation,
      sessionEpoch: 0 as SessionEpoch,
    });
    // Whatever a twin remembers has to survive its passivation.
    this.state = parseTwin(serializeTwin(applied.state));
    return applied;
  }

  knows(commandId: string): boolean {
    return findCommand(this.state.commands, commandId) !== null;
  }
}

function toldRefused({ effects }: AppliedMessage): boolean {
  return effects.some((effect) => effect.kind === 'commandChanged' && wasRefused(effect.command));
}

describe('an order that its twin had no room for', () => {
  it('is refused again when its workflow, which has not heard of it, orders again, also when there is room', () => {
    const twin = new FullTwin();
    expect(toldRefused(twin.order('late', 'op-late'))).toBe(true);
    twin.makeRoom();
    expect(toldRefused(twin.order('late', WORKFLOW))).toBe(true);
    expect(twin.knows('late')).toBe(false);
  });

  it('is taken when an application orders it again, and known to its workflow from then on', () => {
    const twin = new FullTwin();
    twin.order('again', 'op-1');
    twin.makeRoom();
    twin.order('again', 'op-2');
    expect(twin.knows('again')).toBe(true);
    expect(twin.state.commands.refused).toEqual([]);
    expect(toldRefused(twin.order('again', WORKFLOW))).toBe(false);
  });

  it('is one of the last ones that are remembered, each once', () => {
    const twin = new FullTwin();
    for (let number = 0; number < COMMAND_LIMITS.refusedMax + 10; number++) {
      twin.order(`r${number}`, 'op');
      twin.order(`r${number}`, WORKFLOW);
    }
    const { refused } = twin.state.commands;
    expect(refused).toHaveLength(COMMAND_LIMITS.refusedMax);
    expect(new Set(refused).size).toBe(COMMAND_LIMITS.refusedMax);
    expect(refused.at(0)).toBe('r10');
  });

  it('does not keep an order from being taken that no workflow has heard a refusal of', () => {
    const twin = new FullTwin();
    twin.order('other', 'op');
    twin.makeRoom();
    twin.order('new', WORKFLOW);
    expect(twin.knows('new')).toBe(true);
  });
});

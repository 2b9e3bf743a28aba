import { describe, expect, it } from '@jest/globals';

import { applyMessage } from '../apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from '../ids.ts';
import type { TwinEffect, TwinMessage } from '../twin-message.ts';
import { newTwin, type TwinState } from '../twin-state.ts';
import { COMMAND_LIMITS } from './command-limits.ts';
import { findCommand, type TwinCommand } from './command.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SESSION = { kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' } as const;

/** A twin with a clock of its own: its timers fire when they are due, as the platform fires them. */
class TwinInTime {
  state: TwinState = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);
  nowMs = 0;
  readonly sent: string[] = [];
  readonly told: TwinCommand[] = [];
  #offset = 0;
  #session = 0;

  say(message: TwinMessage): readonly TwinEffect[] {
    if (message.kind === 'sessionOpened') this.#session += 1;
    const { state, effects } = applyMessage(this.state, message, {
      nowMs: this.nowMs,
      lane: 'control',
      offset: this.#offset++ as Offset,
      incarnation: 1 as Incarnation,
      sessionEpoch: this.#session as SessionEpoch,
    });
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === 'downlink' && effect.command !== undefined) this.sent.push(effect.command.commandId);
      if (effect.kind === 'commandChanged') this.told.push(effect.command);
    }
    return effects;
  }

  pass(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    for (;;) {
      const timer = this.state.timers.find(({ dueAtMs = Infinity }) => dueAtMs <= untilMs);
      if (timer === undefined) break;
      this.nowMs = Math.max(this.nowMs, timer.dueAtMs ?? 0);
      this.say({ kind: 'timerFired', timerId: timer.timerId, generation: timer.generation });
    }
    this.nowMs = untilMs;
  }

  order(commandId: string, lifeMs: number): void {
    const deadlineMs = this.nowMs + lifeMs;
    this.say({ kind: 'orderCommand', operationId: '', commandId, bodyDigest: 'b', method: 'reboot', deadlineMs });
  }

  deliver(commandId: string, outcome: 'sent' | 'delivered' | 'notSent'): void {
    const dispatch = this.command(commandId).dispatches;
    this.say({ kind: 'commandDelivery', commandId, dispatch, outcome });
  }

  command(commandId: string): TwinCommand {
    return findCommand(this.state.commands, commandId)!;
  }
}

describe('a device that is away for an hour', () => {
  it('is given what still counts, in order, and what was too late has expired on time', () => {
    const twin = new TwinInTime();
    for (let minute = 0; minute < 60; minute += 10) {
      twin.order(`long-${minute}`, 2 * HOUR_MS);
      twin.order(`short-${minute}`, 5 * MINUTE_MS);
      twin.pass(10 * MINUTE_MS);
    }
    expect(twin.sent).toEqual([]);
    for (let minute = 0; minute < 60; minute += 10) {
      const { state, transitions } = twin.command(`short-${minute}`);
      expect(state).toBe('EXPIRED');
      expect(transitions.at(-1)?.atMs).toBe((minute + 5) * MINUTE_MS);
    }
    twin.say(SESSION);
    expect(twin.sent).toEqual([]);
    twin.say({ kind: 'commandsSubscribed' });
    expect(twin.sent).toEqual(['long-0', 'long-10', 'long-20', 'long-30', 'long-40', 'long-50']);
    for (const commandId of twin.sent) {
      twin.deliver(commandId, 'delivered');
      twin.say({ kind: 'commandAnswered', commandId, status: 'SUCCEEDED' });
      expect(twin.command(commandId).state).toBe('SUCCEEDED');
    }
    // Every end was told of, once.
    const ends = twin.told.filter(({ state }) => state === 'SUCCEEDED' || state === 'EXPIRED');
    expect(new Set(ends.map(({ commandId }) => commandId)).size).toBe(12);
    expect(ends).toHaveLength(12);
    twin.pass(2 * HOUR_MS);
    expect(twin.told.filter(({ state }) => state === 'EXPIRED')).toHaveLength(6);
  });

  it('is given more than fits at once when there is room again, and never what has expired meanwhile', () => {
    const twin = new TwinInTime();
    const { inFlightMax } = COMMAND_LIMITS;
    for (let number = 0; number < inFlightMax + 2; number++) twin.order(`c-${number}`, HOUR_MS);
    twin.pass(HOUR_MS - MINUTE_MS);
    twin.say(SESSION);
    twin.say({ kind: 'commandsSubscribed' });
    expect(twin.sent).toHaveLength(inFlightMax);
    twin.deliver('c-0', 'delivered');
    expect(twin.sent.at(-1)).toBe(`c-${inFlightMax}`);
    twin.pass(2 * MINUTE_MS);
    expect(twin.sent).toHaveLength(inFlightMax + 1);
    expect(twin.command(`c-${inFlightMax + 1}`).state).toBe('EXPIRED');
    expect(twin.command('c-0').state).toBe('TIMED_OUT');
    expect(twin.state.commands.pending).toEqual([]);
  });

  it('is given again, in the next session, what an earlier one left without a PUBACK', () => {
    const twin = new TwinInTime();
    twin.say(SESSION);
    twin.say({ kind: 'commandsSubscribed' });
    for (const id of ['told', 'sent', 'delivered']) twin.order(id, HOUR_MS);
    // Its gateway died before it could say anything of `told`.
    twin.deliver('sent', 'sent');
    twin.deliver('delivered', 'delivered');
    twin.say({ kind: 'sessionClosed', reason: 'gatewayLost' });
    twin.say(SESSION);
    twin.say({ kind: 'commandsSubscribed' });
    expect(twin.sent).toEqual(['told', 'sent', 'delivered', 'told', 'sent']);
  });
});

describe('a session that did not listen when it was given a command', () => {
  it('is given it when it subscribes again, once', () => {
    const twin = new TwinInTime();
    twin.say(SESSION);
    twin.say({ kind: 'commandsSubscribed' });
    twin.order('one', HOUR_MS);
    twin.deliver('one', 'notSent');
    twin.order('two', HOUR_MS);
    expect(twin.sent).toEqual(['one', 'two']);
    twin.say({ kind: 'commandsSubscribed' });
    expect(twin.sent).toEqual(['one', 'two', 'one']);
    twin.say({ kind: 'commandsSubscribed' });
    expect(twin.sent).toEqual(['one', 'two', 'one']);
  });
});

describe('the times of a command', () => {
  it('do not run backwards when the clock of a gateway is behind', () => {
    const twin = new TwinInTime();
    twin.pass(HOUR_MS);
    twin.say(SESSION);
    twin.say({ kind: 'commandsSubscribed' });
    twin.order('one', HOUR_MS);
    twin.say({ kind: 'commandDelivery', commandId: 'one', dispatch: 1, outcome: 'delivered', sentAtMs: 5 });
    const times = twin.command('one').transitions.map(({ atMs }) => atMs);
    expect(times).toEqual([HOUR_MS, HOUR_MS, HOUR_MS]);
  });
});

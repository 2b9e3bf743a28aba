import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { commandMessages } from '../../test/arbitraries.ts';
import { applyMessage, type AppliedMessage } from '../apply-message.ts';
import type { DeviceId, Incarnation, Offset, SessionEpoch, TenantId } from '../ids.ts';
import { jsonBytes } from '../json-size.ts';
import type { JsonValue } from '../json.ts';
import { parseTwin, serializeTwin } from '../state-text.ts';
import type { TwinContext, TwinMessage } from '../twin-message.ts';
import { newTwin, type TwinState } from '../twin-state.ts';
import { COMMAND_LIMITS } from './command-limits.ts';
import { isEnded, mayBeThere, rankOf, type TwinCommand } from './command.ts';

const START = newTwin({ tenant: 'default' as TenantId, device: 'd1' as DeviceId }, 1 as Incarnation);

interface Step extends AppliedMessage {
  readonly message: TwinMessage;
  readonly context: TwinContext;
  readonly before: TwinState;
}

const anyId = fc.constantFrom('c1', 'c2', 'c3', 'c4');
const anyDispatch = fc.integer({ min: 1, max: 3 });

/** What a well-behaved world says: most stories go on far enough that something can go wrong in them. */
const anySensibleMessage: fc.Arbitrary<TwinMessage> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<TwinMessage>({ kind: 'sessionOpened', gatewayId: 'g1', protocol: 'mqtt5' }) },
  { weight: 1, arbitrary: fc.constant<TwinMessage>({ kind: 'sessionClosed', reason: 'gone' }) },
  { weight: 6, arbitrary: fc.constant<TwinMessage>({ kind: 'commandsSubscribed' }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('orderCommand' as const),
      operationId: fc.constant('o'),
      commandId: fc.oneof(anyId, fc.uuid()),
      bodyDigest: fc.constant('b1'),
      method: fc.constant('reboot'),
      deadlineMs: fc.integer({ min: 1_000, max: 1_100 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('commandDelivery' as const),
      commandId: anyId,
      dispatch: anyDispatch,
      outcome: fc.constantFrom('sent', 'delivered', 'notSent'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('commandAnswered' as const),
      commandId: anyId,
      status: fc.constantFrom('SUCCEEDED', 'FAILED', 'REJECTED'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('resendCommand' as const), commandId: anyId, dispatch: anyDispatch }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('cancelCommand' as const),
      operationId: fc.constant('o'),
      commandId: anyId,
      force: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('timerFired' as const),
      timerId: fc.constant('commands'),
      generation: fc.integer({ min: 1, max: 6 }),
    }),
  },
);

/** A device that comes and goes while it is ordered about; time only grows, past every deadline. */
const anyStory = fc
  .array(
    fc.record({
      message: fc.oneof(
        { weight: 1, arbitrary: fc.oneof(...commandMessages) },
        { weight: 6, arbitrary: anySensibleMessage },
      ),
      passedMs: fc.nat({ max: 4 }),
      isFromOldSession: fc.integer({ min: 0, max: 7 }).map((dice) => dice === 0),
    }),
    { maxLength: 80, size: 'max' },
  )
  .map((turns) => {
    let nowMs = 1_000;
    let session = 0;
    return turns.map(({ message, passedMs, isFromOldSession }, offset) => {
      nowMs += passedMs;
      if (message.kind === 'sessionOpened') session += 1;
      const context: TwinContext = {
        nowMs,
        lane: 'control',
        offset: offset as Offset,
        incarnation: 1 as Incarnation,
        sessionEpoch: Math.max(0, isFromOldSession ? session - 1 : session) as SessionEpoch,
      };
      return { message, context };
    });
  });

function run(story: readonly { readonly message: TwinMessage; readonly context: TwinContext }[]): Step[] {
  let before = START;
  return story.map(({ message, context }) => {
    const step = { ...applyMessage(before, message, context), message, context, before };
    before = step.state;
    return step;
  });
}

function forEveryStep(check: (step: Step) => void): void {
  fc.assert(
    fc.property(anyStory, (story) => run(story).forEach(check)),
    { numRuns: 400 },
  );
}

function commandsOf({ commands }: TwinState): ReadonlyMap<number, TwinCommand> {
  return new Map([...commands.ended, ...commands.pending].map((command) => [command.requestId, command]));
}

function forEveryChange(check: (now: TwinCommand, before: TwinCommand | undefined, step: Step) => void): void {
  forEveryStep((step) => {
    const known = commandsOf(step.before);
    for (const [requestId, now] of commandsOf(step.state)) {
      if (known.get(requestId) !== now) check(now, known.get(requestId), step);
    }
  });
}

describe('a command, whatever happens to its device', () => {
  it('only goes on, and stays where it ended', () => {
    forEveryChange((now, before) => {
      if (before === undefined) return;
      expect(rankOf(now.state)).toBeGreaterThanOrEqual(rankOf(before.state));
      if (isEnded(before)) expect({ ...now, late: null }).toEqual({ ...before, late: null });
      expect(now.transitions.slice(0, before.transitions.length)).toEqual(before.transitions);
      expect(now.transitions.at(-1)?.state).toBe(now.state);
      const times = now.transitions.map(({ atMs }) => atMs);
      expect(times).toEqual([...times].sort((one, other) => one - other));
      expect(now.notSent).toBeLessThanOrEqual(now.dispatches);
      expect(now.transitions.length).toBeLessThanOrEqual(COMMAND_LIMITS.transitionsMax);
    });
  });

  it('is in a state only for the reason that the state names', () => {
    forEveryChange((now, before, { message, context }) => {
      if (before === undefined || now.state === before.state) return;
      const by = message.kind;
      if (now.state === 'SENT' || now.state === 'DELIVERED') expect(by).toBe('commandDelivery');
      if (now.state === 'DELIVERED') expect(message).toMatchObject({ outcome: 'delivered' });
      if (now.state === 'SUCCEEDED' || now.state === 'FAILED') expect(by).toBe('commandAnswered');
      if (now.state === 'CANCELED') expect(by).toBe('cancelCommand');
      if (now.state !== 'EXPIRED' && now.state !== 'TIMED_OUT') return;
      expect(context.nowMs).toBeGreaterThanOrEqual(now.deadlineMs);
      expect(now.state === 'EXPIRED').toBe(now.dispatches === now.notSent);
      const wasDelivered = now.transitions.some(({ state }) => state === 'DELIVERED' || state === 'IN_PROGRESS');
      if (now.state === 'TIMED_OUT') expect(now.deliveryUnknown === true).toBe(!wasDelivered);
    });
  });

  it('may be with the device unless every one of its dispatches is known to have failed', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        const failed = new Map<string, Set<number>>();
        for (const { message, state, before } of run(story)) {
          if (message.kind !== 'commandDelivery' || message.outcome !== 'notSent') continue;
          const known = before.commands.pending.find(({ commandId }) => commandId === message.commandId);
          if (known === undefined) continue;
          const name = `${known.requestId}`;
          failed.set(name, (failed.get(name) ?? new Set()).add(message.dispatch));
          const now = state.commands.pending.find(({ requestId }) => requestId === known.requestId);
          const mayBe = Array.from({ length: known.dispatches }, (_, index) => index + 1);
          if (mayBe.some((dispatch) => !failed.get(name)!.has(dispatch))) expect(mayBeThere(now!)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('says that it may have run when it was canceled after it may have reached the device', () => {
    forEveryChange((now) => {
      if (now.state === 'CANCELED') expect(now.mayHaveRun === true).toBe(now.dispatches > now.notSent);
    });
  });

  it('is given to the open session that listens, never after its deadline, never past the room', () => {
    forEveryStep(({ state, effects, context, before, message }) => {
      const sent = effects.filter((effect) => effect.kind === 'downlink');
      for (const { command, sessionEpoch, payload } of sent) {
        expect(command).toBeDefined();
        expect(state.presence).toMatchObject({ connected: true, commandsSubscribed: true, sessionEpoch });
        expect(command!.deadlineMs).toBeGreaterThan(context.nowMs);
        expect(payload.expiresInMs).toBe(command!.deadlineMs - context.nowMs);
        const known = state.commands.pending.find(({ commandId }) => commandId === command!.commandId);
        expect(known).toMatchObject({ dispatches: command!.dispatch, dispatchEpoch: sessionEpoch });
        expect(rankOf(known!.state)).toBeLessThan(rankOf('DELIVERED'));
        // Once per session, unless its workflow asks for more, or the session did not listen and now does.
        const was = before.commands.pending.find(({ commandId }) => commandId === command!.commandId);
        if (was?.dispatchEpoch !== sessionEpoch) continue;
        if (message.kind === 'commandsSubscribed') expect(was.lastNotSent).toBe(true);
        else expect(message.kind).toBe('resendCommand');
      }
      const order = sent.map(({ command }) => command!.requestId);
      expect(order).toEqual([...order].sort((left, right) => left - right));
    });
  });

  it('is told of whenever it changes, in the same decision', () => {
    forEveryChange((now, before, { effects }) => {
      if (before !== undefined && now.state === before.state && now.late === before.late) return;
      const told = effects.flatMap((effect) => (effect.kind === 'commandChanged' ? [effect.command.requestId] : []));
      expect(told).toContain(now.requestId);
    });
  });

  it('has a timer that is never late for it', () => {
    forEveryStep(({ state }) => {
      const armed = state.timers.find(({ timerId }) => timerId === 'commands');
      for (const { deadlineMs } of state.commands.pending) {
        expect(armed?.dueAtMs).toBeLessThanOrEqual(deadlineMs);
      }
    });
  });

  it('is bounded with all the others of its device, and counted the same after a reload', () => {
    forEveryStep(({ state }) => {
      const { pending, pendingBytes, ended } = state.commands;
      expect(pending.length).toBeLessThanOrEqual(COMMAND_LIMITS.pendingMax);
      expect(pendingBytes).toBeLessThanOrEqual(COMMAND_LIMITS.pendingBytesMax);
      expect(jsonBytes(ended as unknown as JsonValue)).toBeLessThanOrEqual(
        COMMAND_LIMITS.endedBytesMax + COMMAND_LIMITS.resultBytesMax,
      );
      expect(parseTwin(serializeTwin(state)).commands).toEqual(state.commands);
    });
  });

  it('answers every order and every cancel, once', () => {
    forEveryStep(({ message, effects }) => {
      if (message.kind !== 'orderCommand' && message.kind !== 'cancelCommand') return;
      const answers = effects.filter((effect) => effect.kind === 'operationAnswered');
      expect(answers).toEqual([expect.objectContaining({ operationId: message.operationId })]);
    });
  });
});

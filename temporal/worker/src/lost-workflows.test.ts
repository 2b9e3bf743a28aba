import { MemoryCommandWorkflows } from '@breakwater/adapter-memory';
import {
  applyMessage,
  deviceKey,
  type DeviceId,
  type Incarnation,
  newTwin,
  type Offset,
  serializeTwin,
  type SessionEpoch,
  type TenantId,
  type TwinMessage,
} from '@breakwater/twin';
import type { TwinStore } from '@breakwater/twin-runtime';
import { COMMAND_RETRY_DEFAULT, type DeviceCommandInput, partitionOf } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';

import { LostWorkflows } from './lost-workflows.ts';

const NAME = { tenant: 'default' as TenantId, device: 'pump-1' as DeviceId };
const PARTITIONS = 4;
const LIFE = 3 as Incarnation;
const ORDER = { bodyDigest: 'digest', method: 'reboot', params: { delay: 1 }, deadlineMs: 60_000 };

function lostWorkflows(...messages: readonly TwinMessage[]) {
  let twin = newTwin(NAME, LIFE);
  const context = { lane: 'control', incarnation: LIFE, sessionEpoch: 0 as SessionEpoch } as const;
  messages.forEach((message, at) => {
    twin = applyMessage(twin, message, { ...context, nowMs: at, offset: at as Offset }).state;
  });
  const read: TwinStore['read'] = async (partition, key) => {
    expect([partition, key]).toEqual([partitionOf(key, PARTITIONS), deviceKey(NAME.tenant, NAME.device)]);
    return { key, revision: 1, state: messages.length === 0 ? null : serializeTwin(twin) };
  };
  const workflows = new MemoryCommandWorkflows<DeviceCommandInput>();
  return { lost: new LostWorkflows({ twins: { read }, workflows, partitionCount: PARTITIONS }), workflows };
}

function order(commandId: string): TwinMessage {
  return { kind: 'orderCommand', operationId: '', commandId, ...ORDER };
}

describe('a command whose workflow is lost', () => {
  it('gets another one, which begins with what the twin knows', async () => {
    const { lost, workflows } = lostWorkflows(order('c1'));
    expect(await lost.startAgain({ ...NAME, commandId: 'c1' })).toBe('startedAgain');
    const input = { version: 1, ...NAME, incarnation: LIFE, commandId: 'c1', ...ORDER, retry: COMMAND_RETRY_DEFAULT };
    expect([...workflows.started.values()]).toEqual([input]);
    const [heard] = [...workflows.heard.values()].flat();
    expect(JSON.parse(heard ?? '')).toMatchObject({ commandId: 'c1', state: 'QUEUED', attempts: 0 });
  });

  it('gets none when it has ended meanwhile, or its twin has never heard of it', async () => {
    const cancel = {
      kind: 'cancelCommand',
      operationId: '',
      commandId: 'c1',
      force: false,
      reason: 'why not',
    } as const;
    const { lost, workflows } = lostWorkflows(order('c1'), cancel);
    expect(await lost.startAgain({ ...NAME, commandId: 'c1' })).toBe('gone');
    expect(await lost.startAgain({ ...NAME, commandId: 'c2' })).toBe('gone');
    expect(await lostWorkflows().lost.startAgain({ ...NAME, commandId: 'c1' })).toBe('gone');
    expect(workflows.started.size).toBe(0);
  });
});

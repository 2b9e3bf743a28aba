import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceKey, Epoch, Partition, SessionEpoch } from '@breakwater/twin';

import type { DownlinkChannel, GatewayNotice } from '../ports/downlink-channel.ts';
import type { ContractHarness, HarnessMaker } from './contract-harness.ts';

export interface DownlinkChannelContractOptions {
  /** Notices that one gateway's channel may hold. */
  readonly noticesMax: number;
}

const OPTIONS: DownlinkChannelContractOptions = { noticesMax: 8 };
const WAIT_MS = 5_000;
const ROUNDS_MAX = 50;

/** What every downlink channel must do. */
export function downlinkChannelContract(
  name: string,
  maker: HarnessMaker<DownlinkChannel, DownlinkChannelContractOptions>,
): void {
  describe(`downlink channel contract: ${name}`, () => {
    let harness: ContractHarness<DownlinkChannel>;
    let channel: DownlinkChannel;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
      channel = harness.port;
    });
    afterEach(() => harness.cleanup());

    it('delivers notices whole, in order, once, and to their gateway only', async () => {
      const sent = [downlink(1), closeSession(2), downlink(3)];
      expect(await channel.send('g1', sent)).toEqual([true, true, true]);
      expect(await channel.receive('g2', 0)).toEqual([]);
      expect(await receiveAll(channel, 'g1', 3)).toEqual(sent);
      expect(await channel.receive('g1', 0)).toEqual([]);
    });

    it('takes no more than it may hold, and again when there is room', async () => {
      const sent = Array.from({ length: OPTIONS.noticesMax + 3 }, (_, index) => downlink(index));
      const taken = await channel.send('g1', sent);
      expect(taken).toEqual(sent.map((_, index) => index < OPTIONS.noticesMax));
      expect(await channel.send('g2', [downlink(1)])).toEqual([true]);
      expect(await receiveAll(channel, 'g1', OPTIONS.noticesMax)).toEqual(sent.slice(0, OPTIONS.noticesMax));
      expect(await channel.send('g1', [downlink(99)])).toEqual([true]);
    });

    it('wakes a gateway that waits', async () => {
      const waiting = channel.receive('g1', WAIT_MS);
      await channel.send('g1', [downlink(7)]);
      expect(await waiting).toEqual([downlink(7)]);
    });

    it('sends nothing at no price', async () => {
      expect(await channel.send('g1', [])).toEqual([]);
    });
  });
}

async function receiveAll(channel: DownlinkChannel, gatewayId: string, count: number): Promise<GatewayNotice[]> {
  const received: GatewayNotice[] = [];
  for (let round = 0; round < ROUNDS_MAX && received.length < count; round++) {
    received.push(...(await channel.receive(gatewayId, 0)));
  }
  return received;
}

function downlink(number: number): GatewayNotice {
  return {
    kind: 'downlink',
    downlink: {
      outboxId: `control:${number}:0`,
      partition: 3 as Partition,
      epoch: '1:abc' as Epoch,
      key: 'default/d1' as DeviceKey,
      sessionEpoch: 4 as SessionEpoch,
      twinVersion: number,
      topic: 'twin/desired',
      qos: 1,
      payload: '{"temperature":21,"label":"ä"}',
    },
  };
}

function closeSession(number: number): GatewayNotice {
  const sessionEpoch = number as SessionEpoch;
  return { kind: 'closeSession', key: 'default/d1' as DeviceKey, sessionEpoch, reason: 'takenOver' };
}

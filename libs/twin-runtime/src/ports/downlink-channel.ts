import type { CommandDispatch, DeviceKey, Epoch, Partition, SessionEpoch } from '@breakwater/twin';

/** One message from a twin to its device, on its way to the gateway that holds the session. */
export interface Downlink {
  readonly outboxId: string;
  readonly partition: Partition;
  readonly epoch: Epoch;
  readonly key: DeviceKey;
  readonly sessionEpoch: SessionEpoch;
  readonly twinVersion: number;
  /** Below `v1/devices/me/`. */
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  /** JSON text. */
  readonly payload: string;
  /** Set: it is this dispatch of a command. */
  readonly command?: CommandDispatch;
}

/** What a gateway is told beside downlinks. */
export type GatewayNotice =
  | { readonly kind: 'downlink'; readonly downlink: Downlink }
  /** Another connection of the device took over, or the device lost its right to be here. */
  | {
      readonly kind: 'closeSession';
      readonly key: DeviceKey;
      readonly sessionEpoch: SessionEpoch | null;
      readonly reason: 'takenOver' | 'revoked' | 'deleted';
    };

/** A bounded channel to each gateway. Full or gone means not sent: the outbox sends again. */
export interface DownlinkChannel {
  /** Answers, per notice, whether the channel took it. */
  send(gatewayId: string, notices: readonly GatewayNotice[]): Promise<readonly boolean[]>;
  /** Waits up to `waitMs` for notices of this gateway. */
  receive(gatewayId: string, waitMs: number): Promise<readonly GatewayNotice[]>;
}

import { Inject, Injectable } from '@nestjs/common';
import { deviceKey } from '@breakwater/twin';
import type { Clock, DownlinkChannel, RegisteredDevice, SessionDirectory } from '@breakwater/twin-runtime';
import type { Logger } from '@breakwater/observability';

import { CLOCK, DOWNLINK_CHANNEL, LOGGER, SESSION_DIRECTORY } from '../api-ports.ts';
import { Problem } from '../http/problem.ts';
import { ControlWriter } from './control-writer.ts';

const ATTEMPTS_MAX = 5;
const PAUSE_MS = 50;

/** Tells the gateway that holds a device's connection to close it. */
@Injectable()
export class SessionCloser {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SESSION_DIRECTORY) private readonly sessions: SessionDirectory,
    @Inject(DOWNLINK_CHANNEL) private readonly downlinks: DownlinkChannel,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly writer: ControlWriter,
  ) {}

  /**
   * The right of the device is gone already when this is called, so a connection that is closed cannot come back. A
   * gateway without a lease closes its sessions by itself, so there is nobody to be told.
   *
   * @returns whether there was a session to close
   * @throws Problem SESSION_NOT_CLOSED: success would promise that the old right is gone while it is still in use
   */
  async close(
    device: Pick<RegisteredDevice, 'tenant' | 'device'>,
    reason: 'revoked' | 'deleted',
  ): Promise<'nothingOpen' | 'told'> {
    const key = deviceKey(device.tenant, device.device);
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const [session] = await this.sessions.find(this.writer.partitionOf(device), [key]);
      if (session === undefined || session === null) return 'nothingOpen';
      const notice = { kind: 'closeSession' as const, key, sessionEpoch: session.sessionEpoch, reason };
      const [taken] = await this.downlinks.send(session.gatewayId, [notice]);
      if (taken === true) return 'told';
      if (!(await this.sessions.liveGateways([session.gatewayId])).has(session.gatewayId)) return 'nothingOpen';
      await this.clock.sleep(PAUSE_MS * attempt);
    }
    this.logger.warn(
      { device: device.device, tenant: device.tenant },
      'the gateway of a session could not be told to close it',
    );
    throw new Problem(
      'SESSION_NOT_CLOSED',
      'it is done, but the connection of the device could not be closed yet; send the request again',
    );
  }
}

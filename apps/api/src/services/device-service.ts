import { Inject, Injectable } from '@nestjs/common';
import { isDeviceId, type DeviceId, type Incarnation, type TenantId } from '@breakwater/twin';
import type { Clock, DeviceRegistry, RegisteredDevice } from '@breakwater/twin-runtime';
import { v7 as uuidv7 } from 'uuid';

import { CLOCK, DEVICE_REGISTRY } from '../api-ports.ts';
import { newDeviceToken, secretHash } from '../http/authentication.ts';
import { cursorInvalid, decodeCursor, encodeCursor } from '../http/opaque-cursor.ts';
import { notFound, Problem } from '../http/problem.ts';
import { ControlWriter } from './control-writer.ts';
import { SessionCloser } from './session-closer.ts';
import { TwinReader } from './twin-reader.ts';

export interface DeviceView {
  readonly id: DeviceId;
  readonly createdAt: number;
  readonly incarnation: Incarnation;
}

export interface DeviceWithToken extends DeviceView {
  /** Shown this once; only its digest is kept. */
  readonly token: string;
}

export interface DeviceList {
  readonly items: readonly DeviceView[];
  readonly nextCursor: string | null;
}

const CURSOR_KIND = 'devices';

/** The life of a device: created, given tokens, deleted. Each end of it is also a record, so that the twin knows. */
@Injectable()
export class DeviceService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(DEVICE_REGISTRY) private readonly registry: DeviceRegistry,
    private readonly reader: TwinReader,
    private readonly writer: ControlWriter,
    private readonly sessions: SessionCloser,
  ) {}

  async create(tenant: TenantId, wanted: DeviceId | undefined, traceparent: string): Promise<DeviceWithToken> {
    const id = wanted ?? (uuidv7() as string as DeviceId);
    const token = newDeviceToken();
    const device = await this.registry.createDevice(tenant, id, secretHash(token), this.clock.nowMs());
    if (device === 'DEVICE_EXISTS') throw new Problem('DEVICE_EXISTS', `there already is a device ${id}`);
    try {
      await this.writer.append(device, { kind: 'deviceCreated' }, traceparent);
    } catch (error) {
      // The token was never shown, so a half-created device could not be used: the id is free again, under a new
      // incarnation.
      await this.registry.deleteDevice(tenant, id);
      throw error;
    }
    return { ...viewOf(device), token };
  }

  async find(tenant: TenantId, id: DeviceId): Promise<DeviceView> {
    return viewOf(await this.reader.device(tenant, id));
  }

  async list(tenant: TenantId, limit: number, cursor: string | undefined): Promise<DeviceList> {
    const after = cursor === undefined ? null : decodeCursor(CURSOR_KIND, cursor);
    if (after !== null && !isDeviceId(after)) throw cursorInvalid();
    // One more than asked for tells whether there is a next page.
    const found = await this.registry.listDevices(tenant, after, limit + 1);
    const items = found.slice(0, limit).map(viewOf);
    const last = items.at(-1);
    return {
      items,
      nextCursor: found.length > limit && last !== undefined ? encodeCursor(CURSOR_KIND, last.id) : null,
    };
  }

  cursorAt(id: DeviceId): string {
    return encodeCursor(CURSOR_KIND, id);
  }

  /**
   * From now on only the new token is good; whoever is connected by the old one is thrown out. Where that fails nobody
   * has seen the new token, so a repeat, which gives another one, leaves nothing behind.
   */
  async rotateToken(tenant: TenantId, id: DeviceId): Promise<DeviceWithToken> {
    const token = newDeviceToken();
    const device = await this.registry.rotateToken(tenant, id, secretHash(token));
    if (device === null) throw notFound('device');
    await this.sessions.close(device, 'revoked');
    return { ...viewOf(device), token };
  }

  /**
   * The record comes first: a failure after it leaves a device that can be deleted again, never a twin without one. Of
   * a device that is deleted already only the connection may be left, so a repeat closes that.
   */
  async delete(tenant: TenantId, id: DeviceId, traceparent: string): Promise<void> {
    const device = await this.registry.findDevice(tenant, id);
    if (device === null) {
      const closed = await this.sessions.close({ tenant, device: id }, 'deleted');
      if (closed === 'nothingOpen') throw notFound('device');
      return;
    }
    await this.writer.append(device, { kind: 'deviceDeleted' }, traceparent);
    await this.registry.deleteDevice(tenant, id);
    await this.sessions.close(device, 'deleted');
  }
}

function viewOf(device: RegisteredDevice): DeviceView {
  return { id: device.device, createdAt: device.createdAtMs, incarnation: device.incarnation };
}

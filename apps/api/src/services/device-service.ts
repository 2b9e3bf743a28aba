import { Inject, Injectable } from '@nestjs/common';
import { isDeviceId, type DeviceId, type Incarnation, type TenantId } from '@breakwater/twin';
import {
  DEFAULT_DEVICE_PROFILE,
  type Clock,
  type DeviceProfile,
  type DeviceRegistry,
  type PayloadFormat,
  type RegisteredDevice,
} from '@breakwater/twin-runtime';
import { v7 as uuidv7 } from 'uuid';

import { API_OPTIONS, type ApiOptions, CLOCK, DEVICE_REGISTRY } from '../api-ports.ts';
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
  readonly payloadFormat: PayloadFormat;
  readonly isGateway: boolean;
  readonly via: DeviceId | null;
}

/** What a request says of a profile: what it leaves out is `undefined`. */
export type ProfileRequest = { readonly [Field in keyof DeviceProfile]?: DeviceProfile[Field] | undefined };

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
    @Inject(API_OPTIONS) private readonly options: ApiOptions,
  ) {}

  async create(
    tenant: TenantId,
    wanted: { readonly id?: DeviceId | undefined; readonly profile?: ProfileRequest },
    traceparent: string,
  ): Promise<DeviceWithToken> {
    const id = wanted.id ?? (uuidv7() as string as DeviceId);
    const { via, ...rest } = givenOf(wanted.profile ?? {});
    await this.#checkProfile(tenant, id, { ...DEFAULT_DEVICE_PROFILE, ...rest, via: via ?? null });
    const token = newDeviceToken();
    const profile = { ...DEFAULT_DEVICE_PROFILE, ...rest };
    let device = await this.registry.createDevice(tenant, id, secretHash(token), this.clock.nowMs(), profile);
    if (device === 'DEVICE_EXISTS') throw new Problem('DEVICE_EXISTS', `there already is a device ${id}`);
    try {
      // The limit of its gateway device is checked where it is counted.
      if (via !== undefined && via !== null) device = await this.#updateProfile(device, { via });
      await this.writer.append(device, { kind: 'deviceCreated' }, traceparent);
    } catch (error) {
      // The token was never shown, so a half-created device could not be used: the id is free again, under a new
      // incarnation.
      await this.registry.deleteDevice(tenant, id);
      throw error;
    }
    return { ...viewOf(device), token };
  }

  /** The connection is closed, so that what changed holds from the next one on; a device connects anew by itself. */
  async update(tenant: TenantId, id: DeviceId, request: ProfileRequest): Promise<DeviceView> {
    const change = givenOf(request);
    const before = await this.reader.device(tenant, id);
    const wanted = { ...before.profile, ...change };
    await this.#checkProfile(tenant, id, wanted);
    const device = await this.#updateProfile(before, change);
    // Also when nothing changes: the repeat of a request that could not close the connection closes it.
    await this.sessions.close(device, 'revoked');
    return viewOf(device);
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

  async #updateProfile(device: RegisteredDevice, profile: Partial<DeviceProfile>): Promise<RegisteredDevice> {
    const { childrenMax } = this.options;
    const updated = await this.registry.updateProfile(device.tenant, device.device, { profile, childrenMax });
    if (updated === null) throw notFound('device');
    if (updated === 'CHILDREN_LIMIT') {
      throw new Problem('CHILDREN_LIMIT', `${profile.via ?? ''} has ${childrenMax} child devices already`);
    }
    return updated;
  }

  /** A gateway device that is deleted later leaves children that nobody speaks for, until there is one of its name. */
  async #checkProfile(tenant: TenantId, id: DeviceId, { isGateway, via }: DeviceProfile): Promise<void> {
    if (via === null) return;
    if (isGateway || via === id) throw profileInvalid('a gateway device cannot be the child of one');
    const gateway = await this.registry.findDevice(tenant, via);
    if (gateway?.profile.isGateway !== true) throw profileInvalid(`${via} is no gateway device`);
  }
}

function givenOf(request: ProfileRequest): Partial<DeviceProfile> {
  const { payloadFormat, isGateway, via } = request;
  return {
    ...(payloadFormat === undefined ? {} : { payloadFormat }),
    ...(isGateway === undefined ? {} : { isGateway }),
    ...(via === undefined ? {} : { via }),
  };
}

function profileInvalid(detail: string): Problem {
  return new Problem('REQUEST_INVALID', detail, { errors: [{ pointer: '/via', detail }] });
}

function viewOf(device: RegisteredDevice): DeviceView {
  const { device: id, createdAtMs: createdAt, incarnation, profile } = device;
  const { payloadFormat, isGateway, via } = profile;
  return { id, createdAt, incarnation, payloadFormat, isGateway, via };
}

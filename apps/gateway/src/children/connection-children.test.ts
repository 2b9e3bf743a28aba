import type { CloseReason, Session } from '@breakwater/mqtt-endpoint';
import { describe, expect, it } from '@jest/globals';
import type { DeviceId, Incarnation, TenantId } from '@breakwater/twin';
import { DEFAULT_DEVICE_PROFILE, type RegisteredDevice } from '@breakwater/twin-runtime';

import type { DeviceSession } from '../session/device-session.ts';
import type { ChildRefusal, ChildRegistrar } from './child-registrar.ts';
import { ChildSession } from './child-session.ts';
import { ConnectionChildren } from './connection-children.ts';

const TENANT = 'default' as TenantId;

/** The children of one connection, whose sessions open when a test says so. */
class Connection {
  readonly log: string[] = [];
  readonly children: ConnectionChildren;
  places = 0;
  placesMax = 100;
  refusal: ChildRefusal | null = null;
  #opening: { readonly child: ChildSession; readonly opened: () => void; readonly failed: () => void }[] = [];

  constructor(openMax = 10) {
    const registrar = {
      childOf: (_gateway: RegisteredDevice, name: string) => Promise.resolve(this.refusal ?? deviceOf(name)),
    };
    this.children = new ConnectionChildren({
      parent: { identity: { device: deviceOf('hub') } } as unknown as Session<DeviceSession>,
      registrar: registrar as unknown as ChildRegistrar,
      sessions: {
        open: (session) =>
          new Promise((resolve, reject) => {
            const failed = () => reject(new Error('not opened'));
            this.#opening.push({ child: session as ChildSession, opened: resolve, failed });
          }),
        closed: (session, reason) => this.log.push(`${session.identity.device.device} ${reason}`),
      },
      partitionCount: 4,
      openMax,
      takePlace: () => this.places < this.placesMax && (this.places += 1) > 0,
      givePlace: () => (this.places -= 1),
    });
  }

  async begin(name: string): Promise<{ readonly opened: Promise<unknown>; readonly child: ChildSession | undefined }> {
    const opened = this.children.open(name).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    return { opened, child: this.#opening.at(-1)?.child };
  }

  letOpen(): void {
    for (const { opened } of this.#opening.splice(0)) opened();
  }

  letFail(): void {
    for (const { failed } of this.#opening.splice(0)) failed();
  }
}

function deviceOf(name: string): RegisteredDevice {
  const device = { tenant: TENANT, device: name as DeviceId, incarnation: 1 as Incarnation, createdAtMs: 1 };
  return { ...device, profile: DEFAULT_DEVICE_PROFILE };
}

describe('the children of a connection', () => {
  it.each(['takenOver', 'revoked', 'draining'] as const)(
    'are said to be closed once when they lose their session while it opens (%s)',
    async (reason: CloseReason) => {
      const connection = new Connection();
      const { opened, child } = await connection.begin('A');
      if (reason === 'draining') connection.children.closeAll(reason);
      else child?.close(reason);
      expect(connection.log).toEqual([]);
      connection.letOpen();
      expect(await opened).toBeInstanceOf(Error);
      child?.close('revoked');
      connection.children.closeAll('connectionLost');
      expect([connection.log, connection.places, connection.children.size]).toEqual([[`A ${reason}`], 0, 0]);
    },
  );

  it('are closed once, whoever says it first, and leave their place', async () => {
    const connection = new Connection();
    const { opened } = await connection.begin('A');
    connection.letOpen();
    const child = (await opened) as ChildSession;
    expect([connection.children.get('A'), connection.places]).toEqual([child, 1]);
    child.close('revoked');
    child.close('takenOver');
    connection.children.closeAll('connectionLost');
    expect([connection.log, connection.places]).toEqual([['A revoked'], 0]);
  });

  it('leave no place behind when they are refused or could not be opened', async () => {
    const connection = new Connection(1);
    connection.refusal = { code: 'CHILD_REFUSED', detail: 'no' };
    expect(await (await connection.begin('A')).opened).toEqual(connection.refusal);
    connection.refusal = null;
    const { opened } = await connection.begin('A');
    connection.letFail();
    expect(await opened).toBeInstanceOf(Error);
    expect(connection.places).toBe(0);
    const again = await connection.begin('A');
    connection.letOpen();
    expect(await again.opened).toBeInstanceOf(ChildSession);
    expect(await (await connection.begin('B')).opened).toMatchObject({ code: 'CHILDREN_LIMIT' });
    const other = new Connection();
    other.placesMax = 0;
    expect(await (await other.begin('A')).opened).toMatchObject({ code: 'CHILDREN_LIMIT' });
  });
});

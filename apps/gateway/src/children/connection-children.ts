import type { CloseReason, Session } from '@breakwater/mqtt-endpoint';
import { deviceKey } from '@breakwater/twin';
import { partitionOf } from '@breakwater/wire';

import { DeviceSession } from '../session/device-session.ts';
import type { SessionLifecycle } from '../session-lifecycle.ts';
import { type ChildRefusal, type ChildRegistrar, isRefusal } from './child-registrar.ts';
import { ChildSession } from './child-session.ts';

export interface ConnectionChildrenOptions {
  readonly parent: Session<DeviceSession>;
  readonly registrar: ChildRegistrar;
  readonly sessions: Pick<SessionLifecycle, 'open' | 'closed'>;
  readonly partitionCount: number;
  readonly openMax: number;
  /** Takes a place among all children of this process, or not. */
  readonly takePlace: () => boolean;
  readonly givePlace: () => void;
}

const OVER = new Error('the connection of the gateway device is over');

/**
 * The child devices that one connection speaks for. A child is opened by the first message that names it, closed when
 * it is disconnected, loses its right or moves, and none outlives the connection: each that was announced as connected
 * is closed exactly once.
 */
export class ConnectionChildren {
  readonly #options: ConnectionChildrenOptions;
  readonly #open = new Map<string, ChildSession>();
  /** Closed while they were opened: what closed them waits until it can be said. */
  readonly #opening = new Map<ChildSession, CloseReason | null>();
  #places = 0;
  #over: CloseReason | null = null;
  /** Settles when the messages before have entered; null when there is none that waits. */
  turn: Promise<unknown> | null = null;
  /** A message was not stored: nothing behind it may be. */
  broken = false;

  constructor(options: ConnectionChildrenOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  get(name: string): ChildSession | undefined {
    return this.#open.get(name);
  }

  all(): Iterable<ChildSession> {
    return this.#open.values();
  }

  /** Answers the open child, or why there is none. Rejects when neither can be said: then the connection must end. */
  async open(name: string): Promise<ChildSession | ChildRefusal> {
    const { openMax, takePlace, givePlace } = this.#options;
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    if (this.#places >= openMax) return { code: 'CHILDREN_LIMIT', detail: `${openMax} children are open already` };
    if (!takePlace()) return { code: 'CHILDREN_LIMIT', detail: 'too many children are open at this gateway' };
    this.#places += 1;
    let child: ChildSession | ChildRefusal | null = null;
    try {
      child = await this.#connect(name);
      return child;
    } finally {
      if (!(child instanceof ChildSession)) {
        this.#places -= 1;
        givePlace();
      }
    }
  }

  /** The connection is over, and so are its children. */
  closeAll(reason: CloseReason): void {
    this.#over = reason;
    for (const child of [...this.#open.values()]) this.#close(child, reason);
  }

  async #connect(name: string): Promise<ChildSession | ChildRefusal> {
    const { parent, registrar, partitionCount, sessions } = this.#options;
    const gateway = parent.identity.device;
    const device = await registrar.childOf(gateway, name, (id) =>
      partitionOf(deviceKey(gateway.tenant, id), partitionCount),
    );
    if (isRefusal(device)) return device;
    const key = deviceKey(device.tenant, device.device);
    const partition = partitionOf(key, partitionCount);
    const { tenantShare } = parent.identity;
    const credential = { kind: 'gatewayDevice' } as const;
    const identity = new DeviceSession({ device, key, partition, credential, tenantShare });
    const child = new ChildSession({ identity, parent, onClose: (closed, reason) => this.#close(closed, reason) });
    this.#opening.set(child, null);
    try {
      await sessions.open(child);
    } catch (error) {
      this.#opening.delete(child);
      throw error;
    }
    const closedAs = this.#over ?? this.#opening.get(child) ?? null;
    this.#opening.delete(child);
    if (closedAs !== null) {
      sessions.closed(child, closedAs, null);
      throw OVER;
    }
    this.#open.set(name, child);
    return child;
  }

  #close(child: ChildSession, reason: CloseReason): void {
    if (this.#opening.has(child)) {
      this.#opening.set(child, reason);
      return;
    }
    const name = child.identity.device.device;
    if (this.#open.get(name) !== child) return;
    this.#open.delete(name);
    this.#places -= 1;
    this.#options.givePlace();
    this.#options.sessions.closed(child, reason, null);
  }
}

import type { DeviceSession } from './device-session.ts';
import type { WillMessage } from '../endpoint-host.ts';
import { InboundQos2 } from '../inbound/inbound-qos2.ts';
import type { OutboundMessages } from '../outbound/outbound-messages.ts';
import type { SessionJournal } from './session-journal.ts';

/** What belongs to the session and not to its connection (MQTT 5 §4.1). */
export interface SessionState<Identity> {
  readonly key: string;
  readonly filters: Map<string, 0 | 1 | 2>;
  readonly qos2: InboundQos2;
  readonly outbound: OutboundMessages;
  readonly journal: SessionJournal;
  /** The right to write it, as the store gave it. */
  epoch: number;
  /** Under which epoch it is in the store, as far as we know; null: it is not. */
  storedEpoch: number | null;
  /** It may be in the store under this epoch, and nobody else here writes it. */
  hasRight: boolean;
  /** Something of this key may be in the store. What never was there costs no write when it ends. */
  mayBeStored: boolean;
  /** A newer right is being asked for; what is refused meanwhile is tried again. */
  claiming: Promise<void> | null;
  /** How long it outlives its connection; 0: not at all. */
  expiryMs: number;
  detachedAtMs: number | null;
  /** Of the last connection. */
  session: DeviceSession<Identity> | null;
  will: { readonly message: WillMessage; readonly dueAtMs: number } | null;
  /** Ends the connection that has it: another endpoint has the session, or it cannot be stored. */
  onLost: ((cause: 'fenced' | 'notStored') => void) | null;
  isOver: boolean;
}

export function createSessionState<Identity>(
  key: string,
  epoch: number,
  parts: { outbound: OutboundMessages; journal: SessionJournal },
): SessionState<Identity> {
  return {
    key,
    ...parts,
    filters: new Map(),
    qos2: new InboundQos2(),
    epoch,
    storedEpoch: null,
    hasRight: true,
    mayBeStored: false,
    claiming: null,
    expiryMs: 0,
    detachedAtMs: null,
    session: null,
    will: null,
    onLost: null,
    isOver: false,
  };
}

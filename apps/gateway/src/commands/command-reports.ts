import type { DeliveryOutcome } from '@breakwater/mqtt-endpoint';
import type { CommandDispatch } from '@breakwater/twin';
import type { Clock } from '@breakwater/twin-runtime';
import type { RecordMessage } from '@breakwater/wire';

import type { DeviceSession } from '../session/device-session.ts';

export interface CommandReportsOptions {
  readonly clock: Clock;
  /** Puts a record of the session into the control lane, unless the gateway loses its identity meanwhile. */
  readonly record: (device: DeviceSession, message: RecordMessage) => void;
}

/** A PUBACK that comes within this time is told together with the sending: most do, and it halves the records. */
const COMPANY_MS = 50;

/** Outcomes of a message that never left for the device. Of the others nobody can say that. */
const NEVER_LEFT: ReadonlySet<string> = new Set(['offline', 'dropped', 'queueFull', 'tooLarge', 'expired']);

type Delivery = Extract<RecordMessage, { kind: 'commandDelivery' }>;

/**
 * Tells the twin what became of each dispatch: that a live session took it, that the device acknowledged it, or that it
 * never left. What cannot be told apart counts as sent, so that nobody takes a command for lost that may have run.
 */
export class CommandReports {
  readonly #options: CommandReportsOptions;

  constructor(options: CommandReportsOptions) {
    this.#options = options;
  }

  notSent(device: DeviceSession, command: CommandDispatch): void {
    this.#tell(device, command, { outcome: 'notSent' });
  }

  /** Follows a message that was handed to its session. */
  async follow(device: DeviceSession, command: CommandDispatch, sent: Promise<DeliveryOutcome>): Promise<void> {
    const { clock } = this.#options;
    const sentAtMs = clock.nowMs();
    const company = new AbortController();
    const waited = clock.sleep(COMPANY_MS, company.signal).then(
      () => null,
      () => null,
    );
    const quick = await Promise.race([sent, waited]);
    company.abort();
    if (quick === null) this.#tell(device, command, { outcome: 'sent', sentAtMs });
    const outcome = await sent;
    if (outcome.kind === 'delivered') {
      this.#tell(device, command, { outcome: 'delivered', sentAtMs, reasonCode: outcome.reasonCode });
    } else if (quick !== null) {
      this.#tell(device, command, { outcome: NEVER_LEFT.has(outcome.reason) ? 'notSent' : 'sent', sentAtMs });
    }
  }

  #tell(
    device: DeviceSession,
    { commandId, dispatch }: CommandDispatch,
    what: Omit<Delivery, 'kind' | 'commandId' | 'dispatch'>,
  ): void {
    this.#options.record(device, { kind: 'commandDelivery', commandId, dispatch, ...what });
  }
}

import type { Decide } from '../decision.ts';
import type { TwinMessageKind } from '../twin-message.ts';
import { decideCancelCommand } from './cancel-command.ts';
import { decideCheckCommand } from './check-command.ts';
import { decideCommandAnswered } from './command-answered.ts';
import { decideCommandDelivery } from './command-delivery.ts';
import { decideCommandProgressed } from './command-progressed.ts';
import { decideCommandRecorded } from './command-recorded.ts';
import { decideCommandsSubscribed } from './commands-subscribed.ts';
import { decideDeadLetter } from './dead-letter.ts';
import { decideDesiredSubscribed } from './desired-subscribed.ts';
import { decideDeviceCreated } from './device-created.ts';
import { decideDeviceDeleted } from './device-deleted.ts';
import { decideEvent } from './event.ts';
import { decideGetAttributes } from './get-attributes.ts';
import { decideGetTwin } from './get-twin.ts';
import { decideOrderCommand } from './order-command.ts';
import { decidePatchTwin } from './patch-twin.ts';
import { decideReportState } from './report-state.ts';
import { decideResendCommand } from './resend-command.ts';
import { decideSessionClosed } from './session-closed.ts';
import { decideSessionOpened } from './session-opened.ts';
import { decideStatusReported } from './status-reported.ts';
import { decideTelemetry } from './telemetry.ts';
import { decideTimerFired } from './timer-fired.ts';

/** How each message is decided: everything that can happen to a twin. */
export const DECIDERS: { readonly [Kind in TwinMessageKind]: Decide<Kind> } = {
  telemetry: decideTelemetry,
  event: decideEvent,
  reportState: decideReportState,
  getTwin: decideGetTwin,
  getAttributes: decideGetAttributes,
  patchTwin: decidePatchTwin,
  sessionOpened: decideSessionOpened,
  sessionClosed: decideSessionClosed,
  desiredSubscribed: decideDesiredSubscribed,
  commandsSubscribed: decideCommandsSubscribed,
  orderCommand: decideOrderCommand,
  cancelCommand: decideCancelCommand,
  resendCommand: decideResendCommand,
  checkCommand: decideCheckCommand,
  commandDelivery: decideCommandDelivery,
  commandProgressed: decideCommandProgressed,
  commandAnswered: decideCommandAnswered,
  commandRecorded: decideCommandRecorded,
  statusReported: decideStatusReported,
  timerFired: decideTimerFired,
  deviceCreated: decideDeviceCreated,
  deviceDeleted: decideDeviceDeleted,
  deadLetter: decideDeadLetter,
};

import type { EventOf, TwinEventKind } from '../twin-event.ts';
import type { TwinState } from '../twin-state.ts';
import { evolveCommandChanged } from './command-changed.ts';
import { evolveCommandRefused } from './command-refused.ts';
import { evolveCommandTimerArmed } from './command-timer-armed.ts';
import { evolveDeviceConnected } from './device-connected.ts';
import { evolveDeviceDisconnected } from './device-disconnected.ts';
import { evolveIncarnationStarted } from './incarnation-started.ts';
import { evolveOperationRecorded } from './operation-recorded.ts';
import { evolveReportedMerged } from './reported-merged.ts';
import { evolveStatusChanged } from './status-changed.ts';
import { evolveSubscribedToCommands } from './subscribed-to-commands.ts';
import { evolveSubscribedToDesired } from './subscribed-to-desired.ts';
import { evolveTelemetryAdvanced } from './telemetry-advanced.ts';
import { evolveTimerExpired } from './timer-expired.ts';
import { evolveTwinCreated } from './twin-created.ts';
import { evolveTwinDeleted } from './twin-deleted.ts';
import { evolveTwinPatched } from './twin-patched.ts';

/** What each event does to a state. */
export const EVOLVERS: { readonly [Kind in TwinEventKind]: (state: TwinState, event: EventOf<Kind>) => TwinState } = {
  incarnationStarted: evolveIncarnationStarted,
  twinCreated: evolveTwinCreated,
  twinDeleted: evolveTwinDeleted,
  twinPatched: evolveTwinPatched,
  operationRecorded: evolveOperationRecorded,
  reportedMerged: evolveReportedMerged,
  telemetryAdvanced: evolveTelemetryAdvanced,
  deviceConnected: evolveDeviceConnected,
  deviceDisconnected: evolveDeviceDisconnected,
  subscribedToDesired: evolveSubscribedToDesired,
  statusChanged: evolveStatusChanged,
  timerExpired: evolveTimerExpired,
  subscribedToCommands: evolveSubscribedToCommands,
  commandChanged: evolveCommandChanged,
  commandRefused: evolveCommandRefused,
  commandTimerArmed: evolveCommandTimerArmed,
};

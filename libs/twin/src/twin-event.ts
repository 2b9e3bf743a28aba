import type { TwinCommand } from './commands/command.ts';
import type { Incarnation, SessionEpoch } from './ids.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { LatestValue } from './latest-telemetry.ts';
import type { OperationOutcome } from './twin-message.ts';

/** What changed in a twin. Events carry results, not orders: `evolve` decides nothing. */
export type TwinEvent =
  /** A newer life of the device id begins; nothing of the older one stays. */
  | { readonly kind: 'incarnationStarted'; readonly incarnation: Incarnation }
  | { readonly kind: 'twinCreated'; readonly atMs: number }
  | { readonly kind: 'twinDeleted'; readonly atMs: number }
  /** `desired` and `tags` after the change. */
  | { readonly kind: 'twinPatched'; readonly desired: JsonObject; readonly tags: JsonObject; readonly atMs: number }
  | { readonly kind: 'operationRecorded'; readonly operationId: string; readonly outcome: OperationOutcome }
  /** `reported` after the change. */
  | { readonly kind: 'reportedMerged'; readonly reported: JsonObject; readonly atMs: number }
  | { readonly kind: 'telemetryAdvanced'; readonly values: readonly LatestValue[] }
  | { readonly kind: 'deviceConnected'; readonly sessionEpoch: SessionEpoch; readonly atMs: number }
  | {
      readonly kind: 'deviceDisconnected';
      readonly sessionEpoch: SessionEpoch;
      readonly reason: string;
      readonly atMs: number;
    }
  | { readonly kind: 'subscribedToDesired' }
  | { readonly kind: 'statusChanged'; readonly status: JsonValue }
  | { readonly kind: 'timerExpired'; readonly timerId: string }
  | { readonly kind: 'subscribedToCommands' }
  /** The command after the change; a new one too. */
  | { readonly kind: 'commandChanged'; readonly command: TwinCommand }
  /** There was no room for this order. */
  | { readonly kind: 'commandRefused'; readonly commandId: string }
  | {
      readonly kind: 'commandTimerArmed';
      readonly timerId: string;
      readonly generation: number;
      readonly dueAtMs: number;
    };

export type TwinEventKind = TwinEvent['kind'];
export type EventOf<Kind extends TwinEventKind> = Extract<TwinEvent, { kind: Kind }>;

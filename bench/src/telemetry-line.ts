import type { DeviceId, Incarnation, SessionEpoch, TenantId } from '@breakwater/twin';
import { encodeRecord } from '@breakwater/wire';

export interface TelemetryLineOptions {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly seq: number;
  /** When the device measured, and when the gateway took it; Unix ms. */
  readonly tsMs: number;
  readonly receivedAtMs: number;
  readonly values: ReadonlyMap<string, number>;
}

/** The line that a gateway would write of one event of a benchmark's device: for logs that are filled without one. */
export function telemetryLine({ tenant, device, seq, tsMs, receivedAtMs, values }: TelemetryLineOptions): string {
  return encodeRecord({
    tenant,
    device,
    incarnation: 1 as Incarnation,
    sessionEpoch: 1 as SessionEpoch,
    packetId: (seq % 65_535) + 1,
    digest: (seq * 2_654_435_761) % 4_294_967_296,
    messageId: String(seq),
    receivedAtMs,
    traceparent: '',
    message: { kind: 'telemetry', points: [{ tsMs, values }] },
  });
}

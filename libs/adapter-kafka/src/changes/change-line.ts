import { deviceKey, type DeviceId, type LogId, type Offset, splitDeviceKey, type TenantId } from '@breakwater/twin';
import { type ChangeRecord, type Lane, PlatformError } from '@breakwater/twin-runtime';
import { UnknownRecordVersion } from '@breakwater/wire';

/** Of the lines in `changes`. Others read them too: what they know is only added to, or gets another number. */
const CHANGE_LINE_VERSION = 1;
const CHANGE_KIND = 'twinChanged';

/** All of a line but the twin. */
interface ChangeHead {
  readonly v: number;
  readonly k: string;
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly tp: string;
  readonly incarnation: number;
  readonly changeNumber: number;
  readonly ts: number;
  readonly sections: readonly string[];
  readonly version: number;
  readonly reportedVersion: number;
  readonly source: { readonly logId: LogId; readonly lane: Lane; readonly offset: Offset };
}

/** Quotes within strings are escaped: before the twin it can stand nowhere else. */
const TWIN_KEY = ',"twin":';

/**
 * A change as it stands in `changes`: one line of JSON. It begins like the lines of the lanes, from where key and
 * headers are taken, and ends with the twin, which is neither parsed nor written anew on its way.
 */
export function encodeChangeLine(change: ChangeRecord): string {
  const { tenant, device } = splitDeviceKey(change.key);
  const { incarnation, changeNumber, tsMs: ts, sections, version, reportedVersion, logId, lane, offset } = change;
  const head: ChangeHead = {
    ...{ v: CHANGE_LINE_VERSION, k: CHANGE_KIND, tenant, device, tp: change.traceparent ?? '' },
    ...{ incarnation, changeNumber, ts, sections, version, reportedVersion, source: { logId, lane, offset } },
  };
  return `${JSON.stringify(head).slice(0, -1)}${TWIN_KEY}${change.document}}`;
}

/** @throws PlatformError `LOG_BATCH_UNREADABLE`; UnknownRecordVersion */
export function decodeChangeLine(line: string): ChangeRecord {
  const twinAt = line.indexOf(TWIN_KEY);
  const head = twinAt < 0 ? null : parsed(`${line.slice(0, twinAt)}}`);
  if (head?.k !== CHANGE_KIND) {
    throw new PlatformError('LOG_BATCH_UNREADABLE', `what begins with ${line.slice(0, 24)} is no change of a twin`);
  }
  if (head.v !== CHANGE_LINE_VERSION) throw new UnknownRecordVersion(`version ${head.v} of changes is not known`);
  const { tenant, device, tp, incarnation, changeNumber, ts, sections, version, reportedVersion, source } = head;
  return {
    ...{ key: deviceKey(tenant, device), incarnation, changeNumber, sections, tsMs: ts, version, reportedVersion },
    ...{ logId: source.logId, lane: source.lane, offset: source.offset },
    ...(tp === '' ? {} : { traceparent: tp }),
    document: line.slice(twinAt + TWIN_KEY.length, -1),
  };
}

/** The same for the same change, however often it is published. */
export function changeId({ incarnation, changeNumber }: ChangeRecord): string {
  return `${incarnation}.${changeNumber}`;
}

function parsed(text: string): ChangeHead | null {
  try {
    return JSON.parse(text) as ChangeHead;
  } catch {
    return null;
  }
}

/** Where a part of a line lies in the bytes that hold it; empty when `from` is `to`. */
export interface LineSpan {
  readonly from: number;
  readonly to: number;
}

const QUOTE = 0x22;
const KIND_KEY = Buffer.from('"k":"');
const TENANT_KEY = Buffer.from('"tenant":"');
const DEVICE_KEY = Buffer.from('","device":"');
const TRACE_KEY = Buffer.from('"tp":"');
/** `{"v":1,"k":"…","day":…,` is shorter: what does not begin like a record is not searched to its end. */
const HEAD_LENGTH_MAX = 96;
const EMPTY: LineSpan = { from: 0, to: 0 };

/**
 * Finds what others want to know of a record line without parsing it: its kind, whose it is and its traceparent. One of
 * these serves for all lines; `read` overwrites what the one before found.
 */
export class LineParts {
  kind = EMPTY;
  tenant = EMPTY;
  device = EMPTY;
  traceparent = EMPTY;

  /** False for what is not a record line; nothing of it is to be used then. */
  read(bytes: Buffer, from: number, to: number): boolean {
    // A quote within a string is escaped, so that none of the keys can be found inside of a value.
    const kind = valueAfter(bytes, KIND_KEY, from);
    if (kind === null || kind.to > Math.min(to, from + HEAD_LENGTH_MAX)) return false;
    const tenant = valueAfter(bytes, TENANT_KEY, kind.to);
    if (tenant === null || tenant.from > Math.min(to, from + HEAD_LENGTH_MAX)) return false;
    const afterTenant = tenant.to + DEVICE_KEY.length;
    if (bytes.compare(DEVICE_KEY, 0, DEVICE_KEY.length, tenant.to, afterTenant) !== 0) return false;
    const device = { from: afterTenant, to: bytes.indexOf(QUOTE, afterTenant) };
    if (device.to < 0 || device.to > to) return false;
    this.kind = kind;
    this.tenant = tenant;
    this.device = device;
    const traceparent = valueAfter(bytes, TRACE_KEY, device.to);
    this.traceparent = traceparent === null || traceparent.to > to ? EMPTY : traceparent;
    return true;
  }
}

function valueAfter(bytes: Buffer, key: Buffer, at: number): LineSpan | null {
  const found = bytes.indexOf(key, at);
  if (found < 0) return null;
  const from = found + key.length;
  const to = bytes.indexOf(QUOTE, from);
  return to < 0 ? null : { from, to };
}

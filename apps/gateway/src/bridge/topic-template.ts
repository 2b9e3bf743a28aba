import { type DeviceId, isDeviceId, isTenantId, type TenantId } from '@breakwater/twin';
import { PlatformError } from '@breakwater/twin-runtime';
import { DEVICE_TOPIC_PREFIX } from '@breakwater/wire';

/** Whom a topic of the broker is about, and what the device would have called it here. */
export interface BridgedTopic {
  readonly tenant: TenantId;
  readonly device: DeviceId;
  readonly topic: string;
}

const TENANT = '{tenant}';
const DEVICE = '{device}';
const TOPIC = '{topic}';
/** What is said under a template that leaves it open. */
const DEFAULT_TOPIC = 'telemetry';
const WILDCARD = /[+#]/;

/**
 * Topics of another broker, as `{tenant}/{device}/{topic}` or `plant/{device}/data`: which level names the tenant,
 * which the device, and from which one on it says what a device here says below `v1/devices/me/`.
 */
export class TopicTemplate {
  /** Matches every topic of the template, and others whose names are no ids. */
  readonly filter: string;
  readonly #levels: readonly string[];
  readonly #tenant: TenantId;

  /** @throws PlatformError SETTING_INVALID */
  constructor(template: string, tenant: string) {
    if (!isTenantId(tenant)) throw invalid(`BRIDGE_TENANT: ${tenant} is no tenant`);
    const levels = template.split('/');
    const names = (name: string): number => levels.filter((level) => level === name).length;
    if (names(DEVICE) !== 1) throw invalid(`BRIDGE_TOPIC: one level is to be ${DEVICE}`);
    if (names(TENANT) > 1) throw invalid(`BRIDGE_TOPIC: one level at most may be ${TENANT}`);
    if (names(TOPIC) > 1 || (names(TOPIC) === 1 && levels.at(-1) !== TOPIC)) {
      throw invalid(`BRIDGE_TOPIC: ${TOPIC} may only be the last level`);
    }
    const literal = levels.filter((level) => ![TENANT, DEVICE, TOPIC].includes(level));
    if (literal.some((level) => WILDCARD.test(level) || level.includes('{'))) {
      throw invalid('BRIDGE_TOPIC: a level is a text, {tenant}, {device} or {topic}');
    }
    this.#levels = levels;
    this.#tenant = tenant;
    this.filter = levels.map((level) => (level === TOPIC ? '#' : literal.includes(level) ? level : '+')).join('/');
  }

  /** Null: it names no device. */
  read(topic: string): BridgedTopic | null {
    const levels = topic.split('/');
    const found = { tenant: this.#tenant as string, device: '', topic: DEFAULT_TOPIC };
    for (const [index, level] of this.#levels.entries()) {
      const actual = levels[index] ?? '';
      if (level === TENANT) found.tenant = actual;
      else if (level === DEVICE) found.device = actual;
      else if (level === TOPIC) found.topic = levels.slice(index).join('/');
      else if (level !== actual) return null;
    }
    if (this.#levels.at(-1) !== TOPIC && levels.length !== this.#levels.length) return null;
    const { tenant, device } = found;
    if (!isTenantId(tenant) || !isDeviceId(device)) return null;
    return { tenant, device, topic: `${DEVICE_TOPIC_PREFIX}${device}/${found.topic}` };
  }
}

function invalid(message: string): PlatformError {
  return new PlatformError('SETTING_INVALID', message);
}

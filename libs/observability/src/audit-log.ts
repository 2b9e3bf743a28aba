import type { Logger } from './logger.ts';
import type { Counter, Metrics } from './metrics.ts';
import { AUDIT_EVENTS, type AuditEvent } from './audit-events.ts';

/** Who and what an event is about. Never a credential: not even a wrong one, which may be a right one mistyped. */
export interface AuditFields {
  readonly tenant?: string;
  readonly device?: string;
  readonly clientId?: string;
  readonly remoteAddress?: string;
  /** Who did it, where that is not the device: `admin`, or the tenant whose key was used. */
  readonly by?: string;
  readonly detail?: string;
}

export interface AuditLogOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The least level that is written; `off` writes nothing and still counts. */
  readonly auditLevel: 'info' | 'warn' | 'off';
  /** Lines of one event in one minute. */
  readonly auditLinesPerMinuteMax: number;
  readonly nowMs?: () => number;
}

interface EventWindow {
  startedAtMs: number;
  lines: number;
  suppressed: number;
}

const WINDOW_MS = 60_000;
/** What strangers may choose is cut to this, so that a line has a bound too. */
const FIELD_CHARACTERS_MAX = 256;

/**
 * One JSON line for each matter of security. Whoever attacks decides how many there are, so each event has its own
 * bound: a flood of one kind fills no disk, and hides no line of another kind. What is left out is counted, and said in
 * one line per event when its minute is over.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #events: Counter<'event'>;
  readonly #suppressed: Counter<'event'>;
  readonly #windows = new Map<AuditEvent, EventWindow>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    const { logger, auditLevel, metrics } = options;
    // A level of its own: a log that is set to `error` keeps its audit lines.
    const level = auditLevel === 'off' || logger.level === 'silent' ? 'silent' : auditLevel;
    this.#logger = logger.child({ logger: 'audit' }, { level });
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#events = metrics.counter('audit_events_total', 'Matters of security, written or not.', ['event']);
    this.#suppressed = metrics.counter('audit_suppressed_total', 'Audit lines left out by their bound.', ['event']);
  }

  record(event: AuditEvent, fields: AuditFields): void {
    this.#events.inc({ event });
    const window = this.#windowOf(event);
    if (window.lines >= this.#options.auditLinesPerMinuteMax) {
      window.suppressed += 1;
      this.#suppressed.inc({ event });
      this.#arm();
      return;
    }
    window.lines += 1;
    this.#logger[AUDIT_EVENTS[event]]({ event, ...cut(fields) }, 'audit');
  }

  /** Says what was left out so far, whether or not its minute is over. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [event, window] of this.#windows) this.#tellSuppressed(event, window);
    this.#windows.clear();
  }

  #windowOf(event: AuditEvent): EventWindow {
    const nowMs = this.#nowMs();
    const window = this.#windows.get(event);
    if (window !== undefined && nowMs - window.startedAtMs < WINDOW_MS) return window;
    if (window !== undefined) this.#tellSuppressed(event, window);
    const next = { startedAtMs: nowMs, lines: 0, suppressed: 0 };
    this.#windows.set(event, next);
    return next;
  }

  /** An attack that stops is told of too, so this does not wait for the next event. */
  #arm(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const nowMs = this.#nowMs();
      for (const [event, window] of this.#windows) {
        if (nowMs - window.startedAtMs >= WINDOW_MS) this.#tellSuppressed(event, window);
        else if (window.suppressed > 0) this.#arm();
      }
    }, WINDOW_MS);
    this.#timer.unref();
  }

  #tellSuppressed(event: AuditEvent, window: EventWindow): void {
    if (window.suppressed === 0) return;
    this.#logger.warn({ event, suppressed: window.suppressed }, 'audit lines were left out');
    window.suppressed = 0;
  }
}

function cut(fields: AuditFields): AuditFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, string]) => [name, value.slice(0, FIELD_CHARACTERS_MAX)]),
  );
}

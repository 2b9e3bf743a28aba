import type { PartPorts } from './part.ts';

/** What a line of a part's output says to the supervisor. */
export type PartLine =
  | { readonly kind: 'ready'; readonly ports: PartPorts }
  | { readonly kind: 'startFailed'; readonly message: string; readonly code: string | undefined }
  | { readonly kind: 'warning'; readonly level: string; readonly message: string }
  | { readonly kind: 'complaint'; readonly message: string }
  | { readonly kind: 'plain'; readonly text: string };

/** How Redis marks a line as important, and how a JavaScript error begins. Worth telling if the part ends after it. */
const COMPLAINT = /^(?:\d+:[A-Z] .*? # (?!WARNING)(.+)|((?:[A-Z]\w*)?Error\b.*))$/;
const LOUD_LEVELS = new Set(['warn', 'error', 'fatal']);

/** Our parts print JSON lines (libs/observability); anything else is kept as it is. */
export function readPartLine(line: string): PartLine {
  const entry = parseObject(line);
  if (entry === undefined) return readPlainLine(line);
  const message = typeof entry['msg'] === 'string' ? entry['msg'] : line;
  if (entry['event'] === 'ready') return { kind: 'ready', ports: portsOf(entry['ports']) };
  if (entry['event'] === 'startFailed') {
    return { kind: 'startFailed', message, code: typeof entry['code'] === 'string' ? entry['code'] : undefined };
  }
  const level = entry['level'];
  if (typeof level === 'string' && LOUD_LEVELS.has(level)) {
    return { kind: 'warning', level, message: message + detailOf(entry['err']) };
  }
  return { kind: 'plain', text: line };
}

function readPlainLine(line: string): PartLine {
  const complaint = COMPLAINT.exec(line);
  if (complaint === null) return { kind: 'plain', text: line };
  return { kind: 'complaint', message: complaint[1] ?? complaint[2] ?? line };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // A program may print a brace for its own reasons.
    return undefined;
  }
}

function portsOf(value: unknown): PartPorts {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry) => typeof entry[1] === 'number'));
}

function detailOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return '';
  return `: ${String(error.message)}`;
}

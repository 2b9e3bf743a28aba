import { Problem } from './problem.ts';

/** RFC 9110: an opaque tag in quotes, with `W/` in front when it is weak. */
const ENTITY_TAG = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;
const VERSION = /^(0|[1-9]\d{0,15})$/;
const TAGS_MAX = 32;

interface EntityTag {
  readonly weak: boolean;
  readonly value: string;
}

/** What an `If-Match` asks for: anything that exists, or one of these versions (none at all when no tag can be one). */
export type IfMatch = { readonly kind: 'any' } | { readonly kind: 'versions'; readonly versions: readonly number[] };

export function entityTag(version: number): string {
  return `"${version}"`;
}

/** Strong comparison: a weak tag never matches, nor does a tag that we cannot have given. */
export function parseIfMatch(header: string | undefined): IfMatch | null {
  if (header === undefined) return null;
  if (header.trim() === '*') return { kind: 'any' };
  const versions = parseTags('If-Match', header)
    .filter((tag) => !tag.weak && VERSION.test(tag.value))
    .map((tag) => Number(tag.value));
  return { kind: 'versions', versions: [...new Set(versions)] };
}

/** Weak comparison. True when the client already has this version. */
export function matchesIfNoneMatch(header: string | undefined, version: number): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return parseTags('If-None-Match', header).some((tag) => tag.value === String(version));
}

function parseTags(name: string, header: string): EntityTag[] {
  const parts = header
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0 || parts.length > TAGS_MAX) throw malformed(name);
  return parts.map((part) => {
    const match = ENTITY_TAG.exec(part);
    if (match === null) throw malformed(name);
    return { weak: match[1] !== undefined, value: match[2] as string };
  });
}

function malformed(name: string): Problem {
  return new Problem('REQUEST_INVALID', `${name} takes \`*\` or up to ${TAGS_MAX} entity tags in quotes, e.g. "42"`, {
    errors: [{ pointer: `#header/${name}`, detail: 'no list of entity tags' }],
  });
}

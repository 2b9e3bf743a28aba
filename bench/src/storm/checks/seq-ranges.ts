/** Sequence numbers from `first` up to but without `end`. */
export interface SeqRange {
  readonly first: number;
  readonly end: number;
}

/** What of a range is not among the sorted numbers. */
export function missingRanges(sorted: readonly number[], { first, end }: SeqRange): readonly SeqRange[] {
  const missing: SeqRange[] = [];
  let next = first;
  for (const seq of sorted) {
    if (seq < next) continue;
    if (seq >= end) break;
    if (seq > next) missing.push({ first: next, end: seq });
    next = seq + 1;
  }
  if (next < end) missing.push({ first: next, end });
  return missing;
}

export function rangeText({ first, end }: SeqRange): string {
  return end - first === 1 ? String(first) : `${first}-${end - 1}`;
}

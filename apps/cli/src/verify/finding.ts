/** What a part of the verification looked at. */
export const VERIFIED_PARTS = ['ledger', 'rows', 'rollups', 'twins'] as const;
export type VerifiedPart = (typeof VERIFIED_PARTS)[number];

/** Something that is not as it must be, named so that somebody can look at it. */
export interface Finding {
  readonly part: VerifiedPart;
  /** Short and stable, for programs: `rowsMissing`, `rowsRepeated`, `rollupDiffers`, `twinDiffers`, … */
  readonly kind: string;
  /** One sentence for people. */
  readonly detail: string;
}

/** What one part of the verification did, and what it found. */
export interface PartResult {
  readonly part: VerifiedPart;
  /** How much was compared, in one sentence: a verification that compared nothing must not look like a good one. */
  readonly compared: string;
  readonly findings: readonly Finding[];
  /** What could not be compared, and why. */
  readonly skipped: readonly string[];
}

/** Of one kind, so many are named; more are only counted. */
export const NAMED_MAX = 20;

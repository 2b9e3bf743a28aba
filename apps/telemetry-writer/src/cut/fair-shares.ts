/**
 * How much of a round each partition may have. The backlog of one never holds up the others, and what those leave of
 * their shares is divided among the ones that have more: devices are never spread evenly, and with equal shares alone
 * rows of the fullest partition were late by the more the longer the load lasted.
 */
export function fairShares(waiting: readonly number[], recordsMax: number): readonly number[] {
  const shares = waiting.map(() => 0);
  let left = recordsMax;
  const ascending = [...waiting.entries()].toSorted(([, a], [, b]) => a - b);
  for (const [place, [index, records]] of ascending.entries()) {
    const share = Math.max(1, Math.min(records, Math.floor(left / (ascending.length - place))));
    shares[index] = share;
    left -= share;
  }
  return shares;
}

const WAIT_SECONDS_MAX = 60;
const WAIT_PATTERN = /(?:^|[,;\s])wait=(\d{1,9})(?:$|[,;\s])/;

/** How long the client prefers to wait for the end (RFC 7240), in ms; 0 when it says nothing that is understood. */
export function preferredWaitMs(prefer: string | undefined): number {
  const seconds = WAIT_PATTERN.exec(prefer ?? '')?.[1];
  return seconds === undefined ? 0 : Math.min(Number(seconds), WAIT_SECONDS_MAX) * 1_000;
}

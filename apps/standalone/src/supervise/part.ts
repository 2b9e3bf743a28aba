/** One program that the platform consists of, and how the supervisor runs it. */
export interface Part {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the supervisor's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Parts of one level start together; a level starts when every part of the one before serves. */
  readonly startLevel: number;
  /** Parts of one level stop together; the lowest stops first. */
  readonly stopLevel: number;
  /**
   * Asks a program that is not ours whether it serves. Our own programs print a line with `event: "ready"` instead.
   * Must answer or fail quickly: it is repeated until the start takes too long.
   */
  readonly probe?: () => Promise<boolean>;
  /** How long it may take until it serves, where that is less than what all parts may take. */
  readonly readyTimeoutMs?: number;
  /** How far it stands back behind the others when the processor is short: a nice value, 0 by default. */
  readonly niceness?: number;
  /** Where a program that is not ours listens; our own programs say it in their ready line. */
  readonly ports?: PartPorts;
  /** The Unix socket on which it listens instead. */
  readonly socket?: string;
}

export type PartPorts = Readonly<Record<string, number>>;
